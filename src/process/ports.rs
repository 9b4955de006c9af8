//! Waiting until a process listens.
//!
//! The kernel has no event for "listens now", so the socket tables are looked at again and again, at an interval that
//! starts at a millisecond and grows with the time already waited; the end of the process is an event and is not waited
//! out. Only a listener that other hosts can reach counts, and only one that the process or a descendant of it has open.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::FutureExt;

use super::process::Process;
use super::state::State;
use super::tree;
use crate::network::{Socket, Which, inodes, visible_from};

/// The bounds of the interval between two looks.
const LOOK_AFTER_MIN: Duration = Duration::from_millis(1);
const LOOK_AFTER_MAX: Duration = Duration::from_millis(50);

/// How the wait ended.
#[derive(Debug)]
pub(crate) enum PortsAnswer {
    /// All ports listen.
    Open,
    /// The process is over and nothing of it is left that could still open them.
    Over(State),
}

/// Completes when all `ports` listen or when they never will.
pub(crate) async fn wait_for_ports(process: Arc<Process>, ports: Vec<u16>) -> PortsAnswer {
    let began = Instant::now();
    loop {
        // Read before the look: what listened when the process ended still counts.
        let state = process.state();
        let (looked_at, wanted) = (process.clone(), ports.clone());
        let look = blocking::unblock(move || look(&looked_at, &wanted)).await;
        if look == Look::Open {
            return PortsAnswer::Open;
        }
        // A server that went to the background has exited with 0 and left a descendant.
        if state.is_over() && (state.exit_code() != 0 || look == Look::Deserted) {
            return PortsAnswer::Over(state);
        }
        // A tenth of the time already waited: whoever waits for long is not in a hurry.
        let pause = (began.elapsed() / 10).clamp(LOOK_AFTER_MIN, LOOK_AFTER_MAX);
        let next = async {
            Timer::after(pause).await;
        };
        if state.is_over() {
            next.await;
        } else {
            let over = async {
                process.over().await;
            };
            next.or(over).await;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// All ports listen.
    Open,
    /// Some do not, and a descendant lives.
    Closed,
    /// Some do not, and nobody lives.
    Deserted,
}

fn look(process: &Process, ports: &[u16]) -> Look {
    let members = tree::members(process.id);
    // Any member will do: the process may have moved to a network namespace of its own.
    let Some(one) = members.iter().min() else { return Look::Deserted };
    // What cannot be looked at now may be at the next look.
    let mut candidates = visible_from(*one, Which::Open).unwrap_or_default();
    candidates.retain(|socket| ports.contains(&socket.local.port()) && !socket.is_loopback());
    let seen: HashSet<u16> = candidates.iter().map(|socket| socket.local.port()).collect();
    if ports.iter().any(|port| !seen.contains(port)) {
        return Look::Closed;
    }
    let owned: HashSet<u64> = members.iter().flat_map(|pid| inodes(*pid)).collect();
    let is_owned = |socket: &Socket| owned.contains(&socket.inode);
    let open = |port: &u16| candidates.iter().any(|socket| socket.local.port() == *port && is_owned(socket));
    if ports.iter().all(open) { Look::Open } else { Look::Closed }
}
