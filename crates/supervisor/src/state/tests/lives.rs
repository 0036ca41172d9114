//! Single lives, step by step.

use super::*;

#[test]
fn a_component_becomes_ready_only_after_its_report() {
    let mut world = World::new(Kind::HttpLocalJson);
    world.apply(Event::Order(Order::Start));
    world.begun();
    world.probed(false);
    world.probed(true);
    assert_eq!(world.state(), State::Starting);
    world.answered(Ok(report()));
    assert_eq!(world.state(), State::Ready);
    assert_eq!(world.told, ["configured -> starting: it is started", "starting -> ready: its report was accepted"]);
}

#[test]
fn a_component_that_never_gets_ready_is_ended_and_failed_with_the_reason() {
    let mut world = World::new(Kind::HttpLocalJson);
    world.apply(Event::Order(Order::Start));
    world.begun();
    world.probed(false);
    world.wait_out();
    assert_eq!(world.state(), State::Stopping);
    world.exited(false);
    assert_eq!((world.state(), world.fault()), (State::Failed, "component.readiness.timeout"));
    let message = &world.machine.facts().last_error.as_ref().expect("a fault").message;
    assert_eq!(message, "it was not ready within 15000 ms: 503");
    assert_eq!(world.machine.facts().restarts, 0, "a further start would mend nothing");
}

#[test]
fn a_crash_loop_ends_with_its_budget_and_is_quiet_until_an_operator_starts_it() {
    let mut world = World::new(Kind::HttpLocalJson);
    world.apply(Event::Order(Order::Start));
    let mut delays = Vec::new();
    while world.state() != State::Failed {
        world.begun();
        world.exited(false);
        if world.state() == State::Starting {
            let before = world.now.instant;
            world.wait_out();
            delays.push((world.now.instant - before).as_millis());
        }
    }
    assert_eq!((delays, world.fault()), (vec![200, 400, 800], "component.restarts.exhausted"));
    assert_eq!((world.machine.facts().starts, world.machine.facts().restarts), (4, 3));
    assert_eq!(world.machine.next_deadline(), None);
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.state(), State::Failed);
    world.ready();
    world.exited(false);
    assert_eq!(world.state(), State::Starting, "the budget is new");
}

#[test]
fn health_degrades_recovers_and_ends_what_stays_bad() {
    let mut world = World::new(Kind::HttpLocalJson);
    world.ready();
    world.probed(false);
    assert_eq!(world.state(), State::Ready, "one bad answer is none");
    world.probed(false);
    assert_eq!(world.state(), State::Degraded);
    world.probed(true);
    assert_eq!(world.state(), State::Degraded);
    world.probed(true);
    assert_eq!(world.state(), State::Ready);
    for _ in 0..5 {
        world.probed(false);
    }
    assert_eq!((world.state(), world.fault()), (State::Stopping, "component.unhealthy"));
    world.exited(false);
    assert_eq!(world.state(), State::Starting, "the policy starts it again");
}

#[test]
fn a_stop_drains_then_terminates_then_kills() {
    let mut world = World::new(Kind::HttpLocalJson);
    world.ready();
    world.apply(Event::Order(Order::Stop));
    assert_eq!((world.state(), world.drain, world.killed), (State::Stopping, Some(1), None));
    world.drained();
    assert_eq!(world.killed, None);
    world.wait_out();
    assert_eq!(world.killed, Some(1));
    world.exited(false);
    assert_eq!(world.state(), State::Stopped);
}

#[test]
fn an_order_to_start_while_it_stops_is_carried_out_after_the_stop() {
    let mut world = World::new(Kind::HttpLocalJson);
    world.ready();
    world.apply(Event::Order(Order::Stop));
    world.apply(Event::Order(Order::Start));
    world.drained();
    assert_eq!(world.beginning, None, "the old one runs still");
    world.exited(false);
    assert_eq!((world.state(), world.beginning), (State::Starting, Some(2)));
}

#[test]
fn a_local_service_comes_and_goes_and_is_told_the_init_each_time() {
    let mut world = World::new(Kind::LocalHttpJson);
    world.apply(Event::Order(Order::Start));
    world.begun();
    world.probed(false);
    world.wait_out();
    assert_eq!((world.state(), world.fault()), (State::Degraded, "component.readiness.timeout"));
    world.probed(true);
    world.answered(Ok(report()));
    assert_eq!(world.state(), State::Ready);
    world.probed(false);
    world.probed(false);
    assert_eq!(world.state(), State::Degraded);
    world.reported = None;
    world.probed(true);
    assert_eq!((world.state(), world.init), (State::Degraded, Some(1)), "it may have forgotten the init");
    world.answered(Ok(report()));
    assert_eq!((world.state(), world.machine.facts().starts), (State::Ready, 1));
}

#[test]
fn a_provider_is_ready_with_a_session_and_ended_when_it_has_none_for_too_long() {
    let mut world = World::new(Kind::GrpcLocal);
    world.ready();
    world.session(false, "s1");
    assert_eq!(world.state(), State::Degraded);
    world.session(true, "s2");
    assert_eq!(world.state(), State::Ready);
    world.session(false, "s2");
    let before = world.now.instant;
    world.wait_out();
    assert_eq!((world.now.instant - before, world.state()), (Duration::from_secs(25), State::Stopping));
    assert_eq!(world.fault(), "component.unhealthy");
}

#[test]
fn a_command_is_ready_after_its_init_and_has_no_process() {
    let mut world = World::new(Kind::CommandStdio);
    world.ready();
    assert_eq!((world.process, world.machine.next_deadline(), world.asked), (None, None, None));
    world.apply(Event::Order(Order::Stop));
    world.drained();
    assert_eq!(world.state(), State::Stopped);
}

#[test]
fn what_an_operator_has_to_mend_is_not_tried_again() {
    let mut world = World::new(Kind::HttpLocalJson);
    world.apply(Event::Order(Order::Start));
    world.not_begun(codes::COMPONENT_EXECUTABLE_MISSING);
    assert_eq!((world.state(), world.fault()), (State::Failed, "component.executable.missing"));
    world.ready();
    let mut never = config(Kind::HttpLocalJson);
    never.restart_policy.mode = crate::config::RestartMode::Never;
    let mut world = World::of(never);
    world.ready();
    world.exited(false);
    assert_eq!((world.state(), world.fault()), (State::Failed, "component.exited"));
}

#[test]
fn a_port_that_was_taken_in_between_costs_one_free_retry() {
    let mut world = World::new(Kind::HttpLocalJson);
    world.apply(Event::Order(Order::Start));
    world.begun();
    world.exited(true);
    assert_eq!(world.machine.facts().restarts_in_window, 0);
    world.wait_out();
    world.begun();
    world.exited(true);
    world.wait_out();
    assert_eq!(world.machine.facts().restarts_in_window, 1);
}
