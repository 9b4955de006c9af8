//! Who asked for what, what happened, and how the end is called.

use proptest::prelude::*;

use super::*;

const NEVER: RestartPolicy = RestartPolicy { on_failure: false, max: 0 };
const TWICE: RestartPolicy = RestartPolicy { on_failure: true, max: 2 };
const KILLED: Exit = Exit::Signal(9);
const TERMED: Exit = Exit::Signal(15);

/// A run that was asked to end in these ways and then exited.
#[track_caller]
fn check(asked: &[Ending], exit: Exit, expect: (Status, i32, Reason, Option<i32>)) {
    let mut state = State::started(7, 0, 0);
    for ending in asked {
        state.ask(*ending, 1);
        assert_eq!((state.status(), state.exit_code()), (Status::Running, 0), "before the exit");
    }
    assert_eq!(state.exited(exit, 2, NEVER), Next::End);
    let reason = state.reason().expect("it is over");
    assert_eq!((state.status(), state.exit_code(), reason, state.signal()), expect);
    assert_eq!(state.ended_ms, Some(2));
}

#[test]
fn the_end_is_called_by_who_asked_for_it() {
    use Ending::{Kill, Stop, Timeout};
    check(&[], Exit::Code(0), (Status::Completed, 0, Reason::Exited, None));
    check(&[], Exit::Code(3), (Status::Failed, 3, Reason::Exited, None));
    check(&[], Exit::Code(127), (Status::Failed, 127, Reason::Exited, None));
    check(&[], KILLED, (Status::Failed, -1, Reason::Signaled, Some(9)));
    check(&[Stop], TERMED, (Status::Stopped, -1, Reason::Stopped, Some(15)));
    check(&[Stop], Exit::Code(7), (Status::Stopped, 7, Reason::Stopped, None));
    check(&[Stop], Exit::Code(0), (Status::Stopped, 0, Reason::Stopped, None));
    check(&[Kill], KILLED, (Status::Killed, -1, Reason::Killed, Some(9)));
    check(&[Kill], Exit::Code(0), (Status::Killed, -1, Reason::Killed, None));
    check(&[Stop, Kill], KILLED, (Status::Killed, -1, Reason::Killed, Some(9)));
    check(&[Stop, Timeout], KILLED, (Status::Killed, -1, Reason::Timeout, Some(9)));
    check(&[Timeout, Stop], KILLED, (Status::Killed, -1, Reason::Timeout, Some(9)));
}

#[test]
fn asking_again_does_nothing_and_a_kill_outdoes_a_stop() {
    let mut state = State::started(7, 0, 0);
    assert_eq!(state.ask(Ending::Stop, 1), Asked::Signal);
    assert_eq!(state.ask(Ending::Stop, 1), Asked::Already);
    assert_eq!(state.ask(Ending::Kill, 1), Asked::Signal);
    assert_eq!(state.ask(Ending::Stop, 1), Asked::Already);
    state.exited(KILLED, 2, NEVER);
    assert_eq!(state.ask(Ending::Kill, 3), Asked::Already);
    let mut done = State::started(7, 0, 0);
    done.exited(Exit::Code(0), 1, NEVER);
    assert_eq!(done.ask(Ending::Stop, 2), Asked::NotRunning);
}

#[test]
fn a_failure_is_restarted_until_the_policy_ends() {
    let mut state = State::started(7, 0, 0);
    assert_eq!(state.exited(Exit::Code(1), 1, TWICE), Next::Restart { attempt: 1 });
    assert_eq!((state.status(), state.ended_ms), (Status::Running, None));
    state.restarted(5, 5);
    assert_eq!((state.run, state.restarts, state.started_ms), (1, 1, 5));
    assert_eq!(state.exited(KILLED, 6, TWICE), Next::Restart { attempt: 2 });
    state.restarted(7, 7);
    assert_eq!(state.exited(Exit::Code(4), 8, TWICE), Next::End);
    assert_eq!((state.status(), state.exit_code(), state.restarts), (Status::Failed, 4, 2));
}

#[test]
fn a_clock_that_jumps_does_not_change_how_long_a_run_took() {
    let mut state = State::started(7, 9_000_000, 40);
    state.ended_at_boot(41);
    assert_eq!(state.ended_boot_ms, None, "it is not over");
    state.exited(Exit::Code(0), 1_000_000, NEVER);
    state.ended_at_boot(140);
    state.ended_at_boot(900);
    assert_eq!((state.ended_ms, state.took_ms()), (Some(1_000_000), Some(100)));
    state.ended_boot_ms = None;
    state.ended_ms = Some(9_000_200);
    assert_eq!(state.took_ms(), Some(200), "a state of before has the wall clock alone");
}

#[test]
fn success_and_a_stop_end_a_restart_loop() {
    let mut state = State::started(7, 0, 0);
    assert_eq!(state.exited(Exit::Code(0), 1, TWICE), Next::End);

    let mut state = State::started(7, 0, 0);
    state.ask(Ending::Stop, 1);
    assert_eq!(state.exited(TERMED, 2, TWICE), Next::End);

    let mut state = State::started(7, 0, 0);
    state.exited(Exit::Code(5), 1, TWICE);
    assert!(state.is_backing_off());
    assert_eq!(state.ask(Ending::Stop, 2), Asked::Ended);
    assert_eq!((state.status(), state.exit_code()), (Status::Stopped, 5));

    let mut state = State::started(7, 0, 0);
    state.exited(Exit::Code(5), 1, TWICE);
    state.restart_failed(2);
    assert_eq!(
        (state.status(), state.exit_code(), state.reason()),
        (Status::Failed, -1, Some(Reason::SpawnFailed))
    );
}

#[test]
fn the_limit_that_was_met_first_is_the_reason_and_ends_restarts() {
    let mut state = State::started(7, 0, 0);
    assert_eq!(state.ask(Ending::Limit(LimitKind::Output), 1), Asked::Signal);
    assert_eq!(state.ask(Ending::Limit(LimitKind::Idle), 2), Asked::Already);
    assert_eq!(state.exited(KILLED, 3, TWICE), Next::End);
    assert_eq!((state.status(), state.exit_code()), (Status::Killed, -1));
    assert_eq!(state.reason().map(Reason::name), Some("output_limit"));
    assert_eq!(state.ask(Ending::Kill, 4), Asked::Already);

    // Seen with the exit only; a client that killed it before counts.
    for (asked, reason) in [(None, "memory_limit"), (Some(Ending::Kill), "killed")] {
        let mut state = State::started(7, 0, 0);
        asked.map(|ending| state.ask(ending, 1));
        state.measured(Some(Usage::default()), Some(LimitKind::Memory), false);
        assert_eq!(state.exited(Exit::Code(137), 2, TWICE), Next::End);
        assert_eq!(state.reason().map(Reason::name), Some(reason));
    }
}

#[test]
fn what_the_kernel_took_has_failed_and_may_run_again() {
    let usage = Usage { user_us: 5, max_rss_bytes: 9, ..Usage::default() };
    let mut state = State::started(7, 0, 0);
    state.measured(Some(usage), None, true);
    assert_eq!(state.exited(KILLED, 1, TWICE), Next::Restart { attempt: 1 });
    state.restarted(2, 2);
    state.measured(Some(Usage { max_rss_bytes: 4, ..usage }), None, false);
    assert_eq!(state.exited(KILLED, 3, NEVER), Next::End);
    assert_eq!((state.reason(), state.exit_code()), (Some(Reason::Signaled), -1));
    assert_eq!(state.usage.map(|usage| (usage.user_us, usage.max_rss_bytes)), Some((10, 9)));

    let mut state = State::started(7, 0, 0);
    state.measured(Some(usage), None, true);
    assert_eq!(state.exited(KILLED, 1, NEVER), Next::End);
    assert_eq!((state.reason(), state.status()), (Some(Reason::Oom), Status::Failed));
}

proptest! {
    /// Whatever happens in whatever order: an end is final, and a process that is not over can always be ended.
    #[test]
    fn an_end_is_final(steps in proptest::collection::vec(0u8..7, 0..40)) {
        let mut state = State::started(7, 0, 0);
        let mut at = 0;
        for step in steps {
            at += 1;
            let before = state.clone();
            let running = !state.is_over() && !state.is_backing_off();
            match step {
                0 if running => drop(state.exited(Exit::Code(0), at, TWICE)),
                1 if running => drop(state.exited(Exit::Code(1), at, TWICE)),
                2 if running => drop(state.exited(KILLED, at, TWICE)),
                3 if state.is_backing_off() => state.restarted(at, at),
                4 => drop(state.ask(Ending::Stop, at)),
                5 => drop(state.ask(Ending::Kill, at)),
                6 => drop(state.ask(Ending::Timeout, at)),
                _ => {}
            }
            if before.is_over() {
                prop_assert_eq!(&state, &before);
            }
            prop_assert_eq!(state.is_over(), state.ended_ms.is_some());
            prop_assert!(state.restarts <= 2);
        }
        if !state.is_over() {
            if state.ask(Ending::Kill, at) == Asked::Signal {
                state.exited(KILLED, at, TWICE);
            }
            prop_assert!(state.is_over() || state.status() == Status::Running);
        }
    }
}
