use proptest::prelude::*;

use super::*;

fn ejected(state: &mut State, now: Instant) {
    for n in 1..=FAILURES {
        assert_eq!(state.judge(Verdict::Badly, false, false, now), n == FAILURES);
    }
}

#[test]
fn failures_in_a_row_eject_and_a_success_between_them_does_not() {
    let now = Instant::now();
    let mut state = State::default();
    for _ in 0..10 {
        for _ in 1..FAILURES {
            assert!(!state.judge(Verdict::Badly, false, false, now));
        }
        state.judge(Verdict::Well, false, false, now);
        assert!(matches!(state.admit(false, now), Some(Grant::Open)));
    }
    ejected(&mut state, now);
    assert!(state.admit(false, now).is_none());
}

#[test]
fn one_call_at_a_time_tries_an_ejected_provider_when_its_time_is_over() {
    let now = Instant::now();
    let mut state = State::default();
    ejected(&mut state, now);
    let over = now + FIRST;
    assert!(state.admit(false, over - Duration::from_millis(1)).is_none());
    assert!(matches!(state.admit(false, over), Some(Grant::Trial)));
    assert!(state.admit(false, over).is_none());
    state.judge(Verdict::Well, true, false, over);
    assert!(matches!(state.admit(false, over), Some(Grant::Open)));
    // All is forgotten.
    ejected(&mut state, over);
    assert!(matches!(state.admit(false, over + FIRST), Some(Grant::Trial)));
}

#[test]
fn each_failed_trial_doubles_the_time_up_to_the_longest() {
    let mut now = Instant::now();
    let mut state = State::default();
    ejected(&mut state, now);
    let mut periods = Vec::new();
    for _ in 0..9 {
        periods.push(state.period.as_secs());
        now += state.period;
        assert!(matches!(state.admit(false, now), Some(Grant::Trial)));
        assert!(state.judge(Verdict::Badly, true, false, now));
    }
    assert_eq!(periods, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn a_call_that_cannot_be_repeated_tries_only_after_twice_the_time() {
    let now = Instant::now();
    let mut state = State::default();
    ejected(&mut state, now);
    assert!(state.admit(true, now + FIRST).is_none());
    assert!(matches!(state.admit(true, now + 2 * FIRST), Some(Grant::Trial)));
}

#[test]
fn a_silent_provider_stays_out_until_it_gives_a_sign_of_life() {
    let now = Instant::now();
    let mut state = State::default();
    assert!(state.fell_silent(now));
    assert!(!state.fell_silent(now));
    assert!(state.admit(false, now + LONGEST).is_none());
    state.quiet = false;
    assert!(state.admit(false, now).is_none());
    assert!(matches!(state.admit(false, now + FIRST), Some(Grant::Trial)));
    // And where a ping can be asked for, an ejection by failures awaits one as well.
    let mut state = State::default();
    for n in 1..=FAILURES {
        assert_eq!(state.judge(Verdict::Badly, false, true, now), n == FAILURES);
    }
    assert!(state.admit(false, now + LONGEST).is_none());
}

#[test]
fn a_late_answer_of_a_call_before_the_ejection_brings_back_and_a_late_failure_changes_nothing() {
    let now = Instant::now();
    let mut state = State::default();
    ejected(&mut state, now);
    assert!(!state.judge(Verdict::Badly, false, false, now));
    assert_eq!(state.period, FIRST);
    state.judge(Verdict::Well, false, false, now);
    assert!(matches!(state.admit(false, now), Some(Grant::Open)));
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_dropped_leaves_its_place_to_another() {
    let health = Arc::new(Health::default());
    (0..FAILURES).for_each(|_| health.judge(Verdict::Badly, false));
    assert!(health.is_out() && health.ejections() == 1);
    assert!(matches!(health.admit(false, Instant::now), Admission::Ejected));
    tokio::time::advance(FIRST).await;
    let Admission::Trial(trial) = health.admit(false, Instant::now) else { panic!("its time is over") };
    assert!(matches!(health.admit(false, Instant::now), Admission::Ejected));
    drop(trial);
    let Admission::Trial(trial) = health.admit(false, Instant::now) else { panic!("nobody tries it") };
    trial.judge(Verdict::Well, false);
    assert!(!health.is_out());
    assert!(matches!(health.admit(false, Instant::now), Admission::Open));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Call(bool),
    Silent,
    Answers,
}

proptest! {
    /// Whatever happens, a provider that is well again is back after the longest ejection, and one trial runs at a time.
    #[test]
    fn nobody_is_out_for_ever(
        steps in prop::collection::vec(
            prop_oneof![
                (0u64..5000).prop_map(Step::Wait),
                any::<bool>().prop_map(Step::Call),
                Just(Step::Silent),
                Just(Step::Answers),
            ],
            0..200,
        ),
        pings: bool,
    ) {
        let mut now = Instant::now();
        let mut state = State::default();
        for step in steps {
            match step {
                Step::Wait(ms) => now += Duration::from_millis(ms),
                Step::Silent => { state.fell_silent(now); }
                Step::Answers => state.quiet = false,
                Step::Call(well) => match state.admit(false, now) {
                    None => prop_assert!(state.until.is_some()),
                    Some(grant) => {
                        let trial = matches!(grant, Grant::Trial);
                        if trial {
                            prop_assert!(state.admit(false, now + LONGEST).is_none(), "a second trial");
                            prop_assert!(!state.quiet && state.until.unwrap() <= now);
                        }
                        state.judge(if well { Verdict::Well } else { Verdict::Badly }, trial, pings, now);
                    }
                },
            }
            prop_assert!(state.failures < FAILURES);
            prop_assert!(state.until.is_none_or(|until| until <= now + LONGEST));
        }
        state.quiet = false;
        now += LONGEST;
        let grant = state.admit(false, now);
        prop_assert!(grant.is_some());
        state.judge(Verdict::Well, matches!(grant, Some(Grant::Trial)), pings, now);
        prop_assert!(matches!(state.admit(false, now), Some(Grant::Open)));
    }
}
