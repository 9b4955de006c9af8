//! Processes: commands that were started, what became of them, and how they are ended.
//!
//! ```text
//! Sandbox ──start──> spawn (blocking pool) ──> ProcessTable + Pump
//!                                                   │ exit seen, pipes drained
//!                                             Process::exited ──> State (pure) ──> over | restart after a pause
//! ```
//! **Invariants.** Every started process is in the table. An exit is recorded before it is reaped. Only `spawn.rs` starts
//! commands. A signal goes through a pidfd, never to a bare number that may have a new owner. A user's name is never a path.

mod adopt;
pub(crate) mod children;
mod counters;
mod end;
mod gate;
mod intent;
mod limits;
mod long_command;
mod orphans;
pub(crate) mod own_program;
mod ports;
#[expect(clippy::module_inception, reason = "the folder's main type")]
mod process;
mod record;
mod spawn;
mod spec;
mod startup;
mod state;
mod stats;
mod stdin;
mod supervise;
mod table;
mod tail;
mod tree;
mod turn;
mod unborn;
mod usage;

pub(crate) use adopt::Adopted;
pub(crate) use counters::ProcessCounters;
pub(crate) use end::EndRequest;
pub(crate) use gate::Gate;
pub(crate) use intent::Intents;
pub(crate) use limits::{Host, Limits, Place, host, oom_source, watch_for_oom, without_groups};
pub(crate) use orphans::reap_as_init;
pub(crate) use ports::{PortsAnswer, wait_for_ports};
pub(crate) use process::Process;
pub(crate) use record::History;
pub(crate) use spawn::{Shell, inherited, set_standing, texts};
pub(crate) use spec::{Origin, ProcessSpec, RestartPolicy};
pub(crate) use startup::StartupCommand;
pub(crate) use state::{Reason, State, Status};
pub(crate) use stats::Stats;
pub(crate) use supervise::{Started, Supervisor};
pub(crate) use table::{Memory, ProcessTable};
pub(crate) use tail::Tail;
pub(crate) use unborn::survivors;

#[cfg(test)]
mod tests;
