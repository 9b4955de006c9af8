//! The body of `POST /process`.

use utoipa::ToSchema;

use super::decode::{self, DecodeError, Field, Record};
use super::limits::ProcessLimits;

/// What to run and how, as the client said it; nothing is checked beyond the types and that there is a command.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "these are the fields of the API")]
pub(crate) struct ProcessRequest {
    /// The shell command, never empty. It is given to the shell as one argument (`sh -c <command>` by default).
    #[schema(examples("ls -la"))]
    pub(crate) command: String,
    /// Any text, unique among the running processes; `proc-` and eight letters or digits when absent or empty.
    #[schema(required = false, examples("build"))]
    pub(crate) name: Option<String>,
    /// Where to run; `~` is the home folder. The daemon's own folder when absent.
    #[schema(required = false, examples("/home/user"))]
    pub(crate) working_dir: String,
    /// Laid over the daemon's environment.
    #[schema(required = false, value_type = std::collections::HashMap<String, String>)]
    pub(crate) env: Vec<(String, String)>,
    /// Whether the answer comes only when the process is over. A stream always goes on to the end.
    #[schema(required = false, default = false)]
    pub(crate) wait_for_completion: bool,
    /// Seconds after which each run is killed (SIGKILL to the group). Absent or 0: never; with `keepAlive`, absent or below
    /// zero means 600.
    #[schema(required = false, examples(30))]
    pub(crate) timeout: Option<i64>,
    /// TCP or UDP ports that the process or a descendant must listen on, at an address that other hosts can reach, before
    /// the answer comes.
    #[schema(required = false, value_type = Vec<u16>)]
    pub(crate) wait_for_ports: Vec<i64>,
    /// Whether a run that fails is followed by another, a second later.
    #[schema(required = false, default = false)]
    pub(crate) restart_on_failure: bool,
    /// How many runs may follow; below zero for no limit.
    #[schema(required = false, default = 0)]
    pub(crate) max_restarts: i64,
    /// Whether the sandbox must not be scaled to zero while the process runs.
    #[schema(required = false, default = false)]
    pub(crate) keep_alive: bool,
    /// Whether the process gets a pipe as its standard input instead of `/dev/null`.
    #[schema(required = false, default = false)]
    pub(crate) stdin: bool,
    /// What it may use.
    #[schema(required = false, value_type = ProcessLimits)]
    pub(crate) limits: Option<ProcessLimits>,
}

impl ProcessRequest {
    /// Reads a request body.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut request: Self = decode::decode(body)?;
        request.name = request.name.filter(|name| !name.is_empty());
        Ok(request)
    }
}

impl Record for ProcessRequest {
    const TYPE: &'static str = "handler.ProcessRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("command", &mut self.command);
        field.read("name", &mut self.name);
        field.read("workingDir", &mut self.working_dir);
        field.read("env", &mut self.env);
        field.read("waitForCompletion", &mut self.wait_for_completion);
        field.read("timeout", &mut self.timeout);
        field.read("waitForPorts", &mut self.wait_for_ports);
        field.read("restartOnFailure", &mut self.restart_on_failure);
        field.read("maxRestarts", &mut self.max_restarts);
        field.read("keepAlive", &mut self.keep_alive);
        field.read("stdin", &mut self.stdin);
        field.record("limits", &mut self.limits);
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("Command", !self.command.is_empty())]
    }
}

#[cfg(test)]
mod tests;
