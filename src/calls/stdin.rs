//! The standard input of a process that was started with one.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::process::Process;

/// Writes bytes; they are in the pipe then, and the command may not have read them yet.
pub(crate) async fn write(process: &Arc<Process>, bytes: &[u8]) -> Result<()> {
    check(process)?;
    let stdin = process.run().and_then(|run| run.stdin).ok_or(Error::StdinClosed)?;
    match stdin.write(bytes).await {
        // The pipe broke because the process ended.
        Err(Error::StdinFailed { .. }) if process.state().is_over() => Err(Error::StdinClosed),
        result => result,
    }
}

/// Closes it; also when it was closed before or the process is over.
pub(crate) async fn close(process: &Arc<Process>) -> Result<()> {
    check(process)?;
    if let Some(stdin) = process.run().and_then(|run| run.stdin) {
        stdin.close().await;
    }
    Ok(())
}

fn check(process: &Process) -> Result<()> {
    if process.spec.stdin { Ok(()) } else { Err(Error::StdinNotOpened) }
}
