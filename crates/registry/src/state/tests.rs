//! One test for each rule of registration and of the life of a session. Time is set by hand.

use std::time::Duration;

use protocol::registration::{OfferedModule, Reach};
use protocol::{DataPlane, Error, ServiceUrl, SessionId, codes};

use crate::answer::{Command, EndReason, Refused, Registered};
use crate::options::Limits;
use crate::routes::EndpointState::{Draining, Pending, Ready};
use crate::watch::Change;

use super::fixture::{ATTACH_TIMEOUT, GRACE, LEASE, With, World, attached, dialled, module, options};
use super::{Connect, Effect, Heartbeat, HostDrain, ProviderDrain, Unregister};

const SECOND: Duration = Duration::from_secs(1);

fn bad(name: &str) -> OfferedModule {
    OfferedModule { name: name.into(), spec: Err(Error::of(codes::SCHEMA_INVALID, "the input type is refused")) }
}

fn wide(name: &str) -> OfferedModule {
    module(name, "{text: String, lang: Option<String>}", "String")
}

/// What watchers are told of the last event, as `+name`, `~name`, `-name reason`.
fn changes(world: &World) -> Vec<String> {
    let changes = world.effects.iter().filter_map(|effect| match effect {
        Effect::Routes { changes, .. } => Some(changes.iter()),
        _ => None,
    });
    changes
        .flatten()
        .map(|change| match change {
            Change::Added(route) => format!("+{}", route.name),
            Change::Changed(route) => format!("~{}", route.name),
            Change::Removed { name, reason } => format!("-{name} {reason}"),
        })
        .collect()
}

/// Sessions that the last event ended.
fn ended(world: &World) -> Vec<(SessionId, EndReason)> {
    let ended = world.effects.iter().filter_map(|effect| match effect {
        Effect::Ended { session, reason } => Some((*session, *reason)),
        _ => None,
    });
    ended.collect()
}

/// Sessions whose connections the last event wants told to drain.
fn drained(world: &World) -> Vec<(SessionId, Duration)> {
    let drained = world.effects.iter().filter_map(|effect| match effect {
        Effect::Drain { session, grace } => Some((*session, *grace)),
        _ => None,
    });
    drained.collect()
}

// Registering.

#[test]
fn a_provider_that_can_be_dialled_is_ready_at_once() {
    let mut world = World::new();
    let registered = world.register(dialled("text", "text"));
    assert!(registered.ready);
    assert_eq!((registered.lease, registered.heartbeat_interval), (LEASE, LEASE / 3));
    assert_eq!(world.endpoints("text.A"), [(registered.session, Ready)]);
    assert_eq!(world.route("text.A").endpoints[0].plane, Some(DataPlane::Unary));
    assert_eq!(changes(&world), ["+text.A"]);
}

#[test]
fn a_route_carries_the_declaration_compiled() {
    let mut world = World::new();
    world.register(dialled("text", "text"));
    let route = world.route("text.A");
    assert_eq!((&*route.input_text, &*route.output_text), ("{text: String}", "String"));
    assert_eq!(*route.fingerprint, type_schema::fingerprint(&route.spec.input, &route.spec.output));
    assert_eq!(route.input.ctype(), &route.spec.input);
    assert_eq!(route.revision, 1);
}

#[test]
fn a_provider_that_attaches_is_pending_until_it_does() {
    let mut world = World::new();
    let registered = world.register(attached("text", "text"));
    assert!(!registered.ready);
    assert_eq!(world.endpoints("text.A"), [(registered.session, Pending)]);
    assert_eq!(world.connect(&registered, DataPlane::Link), Ok(registered.session));
    assert_eq!(world.endpoints("text.A"), [(registered.session, Ready)]);
    assert_eq!(world.route("text.A").endpoints[0].plane, Some(DataPlane::Link));
    assert_eq!(changes(&world), ["~text.A"]);
}

#[test]
fn a_pending_provider_reserves_its_namespace() {
    let mut world = World::new();
    world.register(attached("text", "text"));
    assert_eq!(world.refused(dialled("other", "text")), "registry.namespace.owned");
}

#[test]
fn a_provider_that_never_attaches_ends_and_frees_its_namespace() {
    let mut world = World::new();
    let registered = world.register(attached("text", "text"));
    world.pass(ATTACH_TIMEOUT);
    assert_eq!(ended(&world), [(registered.session, EndReason::AttachTimeout)]);
    assert_eq!(changes(&world), ["-text.A attach_timeout"]);
    world.register(dialled("other", "text"));
}

#[test]
fn the_hosts_namespaces_are_refused() {
    let mut world = World::new();
    for namespace in ["std", "stdlib.text", "pipeline"] {
        assert_eq!(world.refused(dialled("text", namespace)), "registry.namespace.reserved");
    }
}

#[test]
fn a_taken_namespace_is_refused_for_as_long_as_its_owners_lease_runs() {
    let mut world = World::new();
    world.register(dialled("text", "text"));
    world.pass(5 * SECOND);
    let refused = world.try_register(dialled("other", "text"), None).unwrap_err();
    assert_eq!((refused.error.code(), refused.error.retryable()), ("registry.namespace.owned", true));
    assert_eq!(refused.error.retry_after_ms(), 10_000);
    assert_eq!(refused.results, []);
    world.pass(10 * SECOND);
    world.register(dialled("other", "text"));
}

#[test]
fn a_namespace_below_another_is_another_namespace() {
    let mut world = World::new();
    world.register(dialled("one", "ml"));
    world.register(dialled("two", "ml.sentiment"));
    assert_eq!(world.names(), ["ml.A", "ml.sentiment.A"]);
}

#[test]
fn one_bad_module_refuses_all_and_each_is_told_why() {
    let mut world = World::new();
    let modules = vec![module("A", "Int", "Int"), bad("B"), module("C", "Int", "Int")];
    let refused = world.try_register(dialled("text", "text").modules(modules), None).unwrap_err();
    assert_eq!(refused.error.code(), "registry.schema.invalid");
    let codes: Vec<(&str, String)> = refused
        .results
        .iter()
        .map(|result| (result.name.as_str(), result.outcome.as_ref().unwrap_err().code().to_owned()))
        .collect();
    let aborted = "registry.registration.aborted";
    assert_eq!(codes, [("A", aborted.into()), ("B", "registry.schema.invalid".into()), ("C", aborted.into())]);
    assert_eq!((world.names().len(), world.state.sessions.len()), (0, 0));
}

#[test]
fn a_partial_registration_stores_what_is_right() {
    let mut world = World::new();
    let mut registration = dialled("text", "text").modules(vec![bad("A"), module("B", "Int", "Int")]);
    registration.partial = true;
    let registered = world.register(registration);
    assert_eq!(registered.results[0].outcome.as_ref().unwrap_err().code(), "registry.schema.invalid");
    assert_eq!(registered.results[1].outcome, Ok(1));
    assert_eq!(world.names(), ["text.B"]);
}

#[test]
fn a_partial_registration_of_which_nothing_is_right_is_refused() {
    let mut world = World::new();
    let mut registration = dialled("text", "text").modules(vec![bad("A")]);
    registration.partial = true;
    assert_eq!(world.refused(registration), "registry.schema.invalid");
}

#[test]
fn a_name_that_occurs_twice_is_refused_at_each_place() {
    let mut world = World::new();
    let modules = vec![module("A", "Int", "Int"), module("B", "Int", "Int"), module("A", "String", "Int")];
    let mut registration = dialled("text", "text").modules(modules);
    registration.partial = true;
    let results = world.register(registration).results;
    let code = |i: usize| results[i].outcome.as_ref().map_err(|error| error.code().to_owned());
    assert_eq!(code(0), Err("registry.module.duplicate".into()));
    assert_eq!(code(1), Ok(&1));
    assert_eq!(code(2), Err("registry.module.duplicate".into()));
}

#[test]
fn a_subject_has_as_many_sessions_as_it_may_and_room_for_a_replacement() {
    let mut world = World::with(options(Limits { sessions_per_subject: 2, ..Limits::default() }));
    let first = world.try_register(dialled("a", "a").modules(vec![module("A", "{}", "Int")]), Some("team")).unwrap();
    world.try_register(dialled("b", "b").modules(vec![module("A", "{}", "Int")]), Some("team")).unwrap();
    let code = |refused: Result<Registered, Refused>| refused.unwrap_err().error.code().to_owned();
    let third = world.try_register(dialled("c", "c").modules(vec![module("A", "{}", "Int")]), Some("team"));
    assert_eq!(code(third), "registry.session.subject_limit");
    // Other subjects, and those without one, have their own room; the same service is a replacement.
    world.try_register(dialled("c", "c").modules(vec![module("A", "{}", "Int")]), Some("others")).unwrap();
    world.try_register(dialled("d", "d").modules(vec![module("A", "{}", "Int")]), None).unwrap();
    world.try_register(dialled("b", "b").modules(vec![module("A", "{}", "Int")]), Some("team")).unwrap();
    world.apply(Unregister { token: first.token }).unwrap();
    world.try_register(dialled("e", "e").modules(vec![module("A", "{}", "Int")]), Some("team")).unwrap();
}

#[test]
fn limits_refuse_what_is_too_much_and_leave_room_for_replacements() {
    let mut world =
        World::with(options(Limits { sessions: 2, modules_per_provider: 3, modules: 4, ..Limits::default() }));
    let modules =
        |n: usize| ["A", "B", "C", "D"][..n].iter().map(|name| module(name, "Int", "Int")).collect::<Vec<_>>();
    assert_eq!(world.refused(dialled("a", "a").modules(vec![])), "registry.registration.empty");
    assert_eq!(world.refused(dialled("a", "a").modules(modules(4))), "registry.registration.too_large");
    let a = world.register(dialled("a", "a").modules(modules(3)));
    assert_eq!(world.refused(dialled("b", "b").modules(modules(2))), "registry.module.limit");
    world.register(dialled("b", "b").modules(modules(1)));
    assert_eq!(world.refused(dialled("c", "c").modules(modules(1))), "registry.session.limit");
    let moved =
        Reach { service_url: Some(ServiceUrl::parse("http://127.0.0.1:9").unwrap()), attach: false, link: false };
    let mut replacement = dialled("a", "a").modules(modules(3)).continuing(&a);
    replacement.reach = moved;
    let replaced = world.register(replacement);
    assert_ne!(replaced.session, a.session);
}

// Leases.

#[test]
fn a_lease_that_is_not_renewed_ends_the_session_and_its_names() {
    let mut world = World::new();
    let registered = world.register(dialled("text", "text"));
    world.pass(LEASE - Duration::from_millis(1));
    assert_eq!(ended(&world), []);
    world.pass(Duration::from_millis(1));
    assert_eq!(ended(&world), [(registered.session, EndReason::LeaseExpired)]);
    assert_eq!(changes(&world), ["-text.A lease_expired"]);
    assert_eq!(world.names().len(), 0);
}

#[test]
fn heartbeats_renew_a_lease() {
    let mut world = World::new();
    let registered = world.register(dialled("text", "text"));
    world.pass(10 * SECOND);
    let answer = world.apply(Heartbeat { token: registered.token.clone() });
    assert_eq!((answer.lease, answer.command), (Some(LEASE), None));
    world.pass(10 * SECOND);
    assert_eq!(world.endpoints("text.A"), [(registered.session, Ready)]);
    world.pass(5 * SECOND);
    assert_eq!(ended(&world), [(registered.session, EndReason::LeaseExpired)]);
}

#[test]
fn a_connected_session_without_heartbeats_ends_too() {
    let mut world = World::new();
    let registered = world.register(attached("text", "text"));
    world.connect(&registered, DataPlane::Attach).unwrap();
    world.pass(LEASE);
    assert_eq!(ended(&world), [(registered.session, EndReason::LeaseExpired)]);
}

#[test]
fn a_heartbeat_of_nobody_is_told_to_register_again() {
    let mut world = World::new();
    let registered = world.register(dialled("text", "text"));
    world.pass(LEASE);
    let answer = world.apply(Heartbeat { token: registered.token });
    assert_eq!((answer.lease, answer.command), (None, Some(Command::Reregister)));
}

// Connections.

#[test]
fn the_loss_of_its_connection_ends_a_session() {
    let mut world = World::new();
    let registered = world.register(attached("text", "text"));
    world.connect(&registered, DataPlane::Attach).unwrap();
    world.disconnect(&registered);
    assert_eq!(ended(&world), [(registered.session, EndReason::LinkLost)]);
    assert_eq!(changes(&world), ["-text.A link_lost"]);
    world.disconnect(&registered);
    assert!(world.effects.is_empty());
}

#[test]
fn a_session_has_one_connection_on_a_plane_that_it_offered() {
    let mut world = World::new();
    let mut registration = attached("text", "text");
    registration.reach.link = false;
    let registered = world.register(registration);
    let mut refused = |plane| world.connect(&registered, plane).unwrap_err().code().to_owned();
    assert_eq!(refused(DataPlane::Link), "registry.plane.unsupported");
    assert_eq!(refused(DataPlane::Unary), "registry.plane.unsupported");
    world.connect(&registered, DataPlane::Attach).unwrap();
    let again = world.connect(&registered, DataPlane::Attach).unwrap_err();
    assert_eq!((again.code(), again.retryable()), ("registry.session.attached", true));
}

#[test]
fn a_provider_that_can_be_dialled_may_attach_later() {
    let mut world = World::new();
    let mut registration = dialled("text", "text");
    registration.reach.attach = true;
    let registered = world.register(registration);
    world.connect(&registered, DataPlane::Attach).unwrap();
    assert_eq!(world.route("text.A").endpoints[0].plane, Some(DataPlane::Attach));
}

#[test]
fn unregistering_frees_the_names_at_once() {
    let mut world = World::new();
    let registered = world.register(dialled("text", "text"));
    assert_eq!(world.apply(Unregister { token: registered.token.clone() }), Ok(registered.session));
    assert_eq!(ended(&world), [(registered.session, EndReason::Unregistered)]);
    assert_eq!(changes(&world), ["-text.A unregistered"]);
    let again = world.apply(Unregister { token: registered.token.clone() }).unwrap_err();
    assert_eq!(again.code(), "registry.session.unknown");
    let connect = Connect { token: registered.token, plane: DataPlane::Attach };
    assert_eq!(world.apply(connect).unwrap_err().code(), "registry.session.unknown");
}

// Replacement.

#[test]
fn the_same_session_is_updated_in_place_with_new_revisions_for_what_changed() {
    let mut world = World::new();
    let modules = vec![module("A", "{text: String}", "String"), module("B", "Int", "Int"), module("C", "Int", "Int")];
    let first = world.register(attached("text", "text").modules(modules));
    world.connect(&first, DataPlane::Link).unwrap();
    let modules = vec![wide("A"), module("B", "Int", "Int"), module("D", "Int", "Int")];
    let second = world.register(attached("text", "text").modules(modules).continuing(&first));
    assert_eq!((second.session, &second.token, second.ready), (first.session, &first.token, true));
    let revisions: Vec<u64> = second.results.into_iter().map(|result| result.outcome.unwrap()).collect();
    assert_eq!(revisions, [2, 1, 1]);
    assert_eq!(changes(&world), ["~text.A", "-text.C replaced", "+text.D"]);
    assert_eq!(world.route("text.A").revision, 2);
    assert_eq!((ended(&world), drained(&world)), (vec![], vec![]));
}

#[test]
fn a_registration_that_changes_nothing_tells_nobody() {
    let mut world = World::new();
    let first = world.register(dialled("text", "text"));
    let second = world.register(dialled("text", "text").continuing(&first));
    assert_eq!(second.session, first.session);
    assert!(world.effects.is_empty());
}

#[test]
fn another_address_is_another_session_that_takes_over_at_once() {
    let mut world = World::new();
    let first = world.register(dialled("text", "text"));
    let mut registration = dialled("text", "text").continuing(&first);
    registration.reach.service_url = Some(ServiceUrl::parse("http://127.0.0.1:9").unwrap());
    let second = world.register(registration);
    assert_eq!(world.endpoints("text.A"), [(second.session, Ready)]);
    assert_eq!(drained(&world), [(first.session, GRACE)]);
    assert_eq!(ended(&world), []);
    world.unregister(&first);
    assert_eq!(ended(&world), [(first.session, EndReason::Replaced)]);
    assert_eq!(world.endpoints("text.A"), [(second.session, Ready)]);
}

#[test]
fn a_pending_replacement_takes_over_when_it_connects_and_no_call_finds_a_gap() {
    let mut world = World::new();
    let first = world.register(attached("text", "text"));
    world.connect(&first, DataPlane::Link).unwrap();
    let mut registration =
        attached("text", "text").modules(vec![wide("A"), module("B", "Int", "Int")]).continuing(&first);
    registration.reach.link = false;
    let second = world.register(registration);
    assert_ne!(second.session, first.session);
    assert_eq!(second.results.iter().map(|r| r.outcome.clone().unwrap()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(world.endpoints("text.A"), [(first.session, Ready)]);
    assert_eq!((world.route("text.A").revision, world.names().len()), (1, 1));
    assert!(world.effects.is_empty());

    world.connect(&second, DataPlane::Attach).unwrap();
    assert_eq!(world.endpoints("text.A"), [(second.session, Ready)]);
    assert_eq!(world.endpoints("text.B"), [(second.session, Ready)]);
    assert_eq!(world.route("text.A").revision, 2);
    assert_eq!(changes(&world), ["~text.A", "+text.B"]);
    assert_eq!(drained(&world), [(first.session, GRACE)]);
}

#[test]
fn a_replaced_session_is_told_to_leave_and_ends_at_the_latest_after_its_grace() {
    let mut world = World::new();
    let first = world.register(attached("text", "text"));
    world.connect(&first, DataPlane::Link).unwrap();
    let second = world.register(dialled("text", "text").continuing(&first));
    for _ in 0..5 {
        world.pass(GRACE / 6);
        let answer = world.apply(Heartbeat { token: first.token.clone() });
        assert_eq!(answer.command, Some(Command::Drain));
        world.apply(Heartbeat { token: second.token.clone() });
    }
    let connect = Connect { token: first.token.clone(), plane: DataPlane::Attach };
    assert_eq!(world.apply(connect).unwrap_err().code(), "registry.session.unknown");
    world.pass(GRACE / 6);
    assert_eq!(ended(&world), [(first.session, EndReason::Replaced)]);
    assert_eq!(world.endpoints("text.A"), [(second.session, Ready)]);
}

#[test]
fn a_replacement_that_never_connects_leaves_the_old_session_as_it_was() {
    let mut world = World::new();
    let first = world.register(dialled("text", "text"));
    let second = world.register(attached("text", "text").modules(vec![wide("A")]).continuing(&first));
    world.pass(ATTACH_TIMEOUT);
    assert_eq!(ended(&world), [(second.session, EndReason::AttachTimeout)]);
    assert_eq!(world.endpoints("text.A"), [(first.session, Ready)]);
    assert_eq!(world.route("text.A").revision, 1);
}

#[test]
fn a_replacement_keeps_the_names_when_the_old_session_ends_first() {
    let mut world = World::new();
    let first =
        world.register(dialled("text", "text").modules(vec![module("A", "Int", "Int"), module("B", "Int", "Int")]));
    let second = world.register(attached("text", "text").modules(vec![module("A", "Int", "Int")]).continuing(&first));
    world.unregister(&first);
    assert_eq!(world.endpoints("text.A"), [(second.session, Pending)]);
    assert_eq!(changes(&world), ["~text.A", "-text.B unregistered"]);
    assert_eq!(world.refused(dialled("other", "text")), "registry.namespace.owned");
    world.connect(&second, DataPlane::Attach).unwrap();
    assert_eq!(world.endpoints("text.A"), [(second.session, Ready)]);
}

#[test]
fn a_second_replacement_takes_the_place_of_the_first() {
    let mut world = World::new();
    let first = world.register(dialled("text", "text"));
    let second = world.register(attached("text", "text").continuing(&first));
    let third = world.register(attached("text", "text").continuing(&second));
    assert_eq!(ended(&world), [(second.session, EndReason::Replaced)]);
    assert_eq!(world.endpoints("text.A"), [(first.session, Ready)]);
    world.connect(&third, DataPlane::Attach).unwrap();
    assert_eq!(world.endpoints("text.A"), [(third.session, Ready)]);
    assert_eq!(drained(&world), [(first.session, GRACE)]);
}

#[test]
fn the_same_credential_and_service_take_over_without_a_token() {
    let mut world = World::new();
    let first = world.try_register(dialled("text", "text"), Some("alice")).unwrap();
    let stranger = world.try_register(dialled("text", "text"), Some("bob")).unwrap_err();
    assert_eq!(stranger.error.code(), "registry.namespace.owned");
    let other_service = world.try_register(dialled("other", "text"), Some("alice")).unwrap_err();
    assert_eq!(other_service.error.code(), "registry.namespace.owned");
    let second = world.try_register(dialled("text", "text"), Some("alice")).unwrap();
    assert_ne!(second.session, first.session);
    assert_eq!(world.endpoints("text.A"), [(second.session, Ready)]);
}

#[test]
fn a_token_proves_nothing_for_another_service_or_another_namespace() {
    let mut world = World::new();
    let first = world.register(dialled("text", "text"));
    assert_eq!(world.refused(dialled("other", "text").continuing(&first)), "registry.namespace.owned");
    let elsewhere = world.register(dialled("text", "data").continuing(&first));
    assert_ne!(elsewhere.session, first.session);
    assert_eq!(world.names(), ["data.A", "text.A"]);
}

#[test]
fn a_breaking_replacement_is_refused_with_the_paths_unless_it_says_so() {
    let mut world = World::new();
    let first = world.register(dialled("text", "text"));
    let breaking = || vec![module("A", "{text: String, lang: String}", "String | Int")];
    let registration = dialled("text", "text").modules(breaking()).continuing(&first);
    let refused = world.try_register(registration.clone(), None).unwrap_err();
    assert_eq!(refused.error.code(), "registry.schema.incompatible");
    let details: Vec<&str> = refused.error.details().keys().map(String::as_str).collect();
    assert_eq!(details, ["input.lang", "module", "output"]);
    assert_eq!(world.route("text.A").revision, 1);

    let mut registration = registration;
    registration.allow_breaking = true;
    let registered = world.register(registration);
    assert_eq!((registered.session, registered.results[0].outcome.clone()), (first.session, Ok(2)));
}

#[test]
fn the_revision_of_a_name_rises_over_its_removal() {
    let mut world = World::new();
    let first = world.register(dialled("text", "text"));
    world.unregister(&first);
    let second = world.register(dialled("text", "text"));
    assert_eq!(second.results[0].outcome, Ok(2));
    assert_eq!(world.route("text.A").revision, 2);
}

// Groups.

#[test]
fn members_of_a_group_serve_one_name_together() {
    let mut world = World::new();
    let one = world.register(dialled("one", "text").group("g"));
    let two = world.register(attached("two", "text").group("g"));
    assert_eq!(world.endpoints("text.A"), [(one.session, Ready), (two.session, Pending)]);
    world.connect(&two, DataPlane::Attach).unwrap();
    assert_eq!(world.endpoints("text.A"), [(one.session, Ready), (two.session, Ready)]);
    world.unregister(&one);
    assert_eq!(world.endpoints("text.A"), [(two.session, Ready)]);
    assert_eq!(world.route("text.A").revision, 1);
}

#[test]
fn another_group_or_none_does_not_get_into_a_namespace() {
    let mut world = World::new();
    world.register(dialled("one", "text").group("g"));
    assert_eq!(world.refused(dialled("two", "text").group("h")), "registry.namespace.owned");
    assert_eq!(world.refused(dialled("two", "text")), "registry.namespace.owned");
}

#[test]
fn a_member_declares_exactly_what_its_group_declares() {
    let mut world = World::new();
    let modules = || vec![module("A", "Int", "Int"), module("B", "Int", "Int")];
    world.register(dialled("one", "text").group("g").modules(modules()));
    let mut refused = |modules| world.refused(dialled("two", "text").group("g").modules(modules));
    let mismatch = "registry.group.schema_mismatch";
    assert_eq!(refused(vec![module("A", "Int", "Int"), module("B", "Int", "String")]), mismatch);
    assert_eq!(refused(vec![module("A", "Int", "Int")]), mismatch);
    assert_eq!(refused([modules(), vec![module("C", "Int", "Int")]].concat()), mismatch);
    let mut streaming = modules();
    if let Ok(spec) = &mut streaming[0].spec {
        spec.capabilities.stream = true;
    }
    assert_eq!(refused(streaming), mismatch);
    world.register(dialled("two", "text").group("g").modules(modules()));
}

#[test]
fn a_member_that_replaces_itself_still_agrees_with_the_others() {
    let mut world = World::new();
    let one = world.register(dialled("one", "text").group("g"));
    let two = world.register(dialled("two", "text").group("g"));
    let wider = || dialled("one", "text").group("g").modules(vec![wide("A")]).continuing(&one);
    assert_eq!(world.refused(wider()), "registry.group.schema_mismatch");
    world.unregister(&two);
    assert_eq!(world.register(wider()).results[0].outcome, Ok(2));
}

#[test]
fn a_member_may_not_join_what_is_about_to_change() {
    let mut world = World::new();
    let one = world.register(dialled("one", "text").group("g"));
    world.register(attached("one", "text").group("g").modules(vec![wide("A")]).continuing(&one));
    let mismatch = "registry.group.schema_mismatch";
    assert_eq!(world.refused(dialled("two", "text").group("g")), mismatch);
    assert_eq!(world.refused(dialled("two", "text").group("g").modules(vec![wide("A")])), mismatch);
}

#[test]
fn without_credentials_replicas_may_share_a_service_id() {
    let mut world = World::new();
    let one = world.register(dialled("text", "text").group("g"));
    let two = world.register(dialled("text", "text").group("g"));
    assert_eq!(world.endpoints("text.A"), [(one.session, Ready), (two.session, Ready)]);
}

// Drain.

#[test]
fn a_provider_that_drains_takes_no_new_calls_and_keeps_its_names() {
    let mut world = World::new();
    let one = world.register(attached("one", "text"));
    world.connect(&one, DataPlane::Attach).unwrap();
    world.apply(ProviderDrain { session: one.session });
    assert_eq!(world.endpoints("text.A"), [(one.session, Draining)]);
    assert_eq!(drained(&world), []);
    assert_eq!(world.apply(Heartbeat { token: one.token.clone() }).command, None);
    assert_eq!(world.refused(dialled("two", "text")), "registry.namespace.owned");
}

#[test]
fn a_provider_that_the_host_drains_is_told_once_by_its_connection_and_by_each_heartbeat() {
    let mut world = World::new();
    let one = world.register(attached("one", "text"));
    world.connect(&one, DataPlane::Attach).unwrap();
    world.apply(HostDrain { session: one.session, grace: SECOND }).unwrap();
    assert_eq!(drained(&world), [(one.session, SECOND)]);
    assert_eq!(world.endpoints("text.A"), [(one.session, Draining)]);
    world.apply(HostDrain { session: one.session, grace: SECOND }).unwrap();
    assert_eq!(drained(&world), []);
    assert_eq!(world.apply(Heartbeat { token: one.token.clone() }).command, Some(Command::Drain));
    world.disconnect(&one);
    let gone = world.apply(HostDrain { session: one.session, grace: SECOND }).unwrap_err();
    assert_eq!(gone.code(), "registry.session.unknown");
}

#[test]
fn a_pending_provider_that_the_host_drains_is_told_when_it_connects() {
    let mut world = World::new();
    let one = world.register(attached("one", "text"));
    world.apply(HostDrain { session: one.session, grace: SECOND }).unwrap();
    assert_eq!(drained(&world), []);
    world.connect(&one, DataPlane::Attach).unwrap();
    assert_eq!(drained(&world), [(one.session, SECOND)]);
}

#[test]
fn a_draining_session_is_replaced_rather_than_updated() {
    let mut world = World::new();
    let one = world.register(dialled("one", "text"));
    world.apply(HostDrain { session: one.session, grace: SECOND }).unwrap();
    let two = world.register(dialled("one", "text").continuing(&one));
    assert_ne!(two.session, one.session);
    assert_eq!(world.endpoints("text.A"), [(two.session, Ready)]);
    assert_eq!(drained(&world), []);
}
