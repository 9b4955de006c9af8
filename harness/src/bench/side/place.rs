//! `Place`: a server to measure, and a folder on its machine, made and removed by commands that it runs.

use std::io;

use serde_json::{Value, json};

use super::super::{ms, server::Server, statistics::median, wire::Wire};
use crate::{target::Target, variables::unique_name};

/// See the module.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) server: Server,
    folder: String,
}

impl Place {
    /// Nothing is asked yet.
    pub(super) fn new(target: &Target) -> io::Result<Self> {
        let folder = format!("/tmp/boxd-bench-{}", unique_name());
        Ok(Self { server: Server::running(target.clone())?, folder })
    }

    /// The folder, once it is there.
    pub(super) fn folder(&self) -> io::Result<&str> {
        self.exec(&format!("mkdir -p {}", self.folder))?;
        Ok(&self.folder)
    }

    /// The name of something in the folder, whether or not it is there.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Runs a command to its end, which has to be a good one.
    pub(super) fn exec(&self, command: &str) -> io::Result<()> {
        let mut wire = self.server.connect()?;
        let body = json!({ "command": command, "waitForCompletion": true }).to_string();
        wire.call(&self.server.post("/process", "application/json", &body))?;
        let answer: Value = serde_json::from_slice(&wire.body()?)?;
        if answer["exitCode"] == 0 {
            return Ok(());
        }
        Err(io::Error::other(format!("`{command}` ended with {}: {}", answer["exitCode"], answer["logs"])))
    }

    /// How long an answer takes, in milliseconds: the median of so many, one after the other on one connection.
    pub(super) fn median_of(&self, times: usize, request: &[u8]) -> io::Result<f64> {
        let mut wire: Wire = self.server.connect()?;
        for _ in 0..times.div_ceil(10) {
            wire.call(request)?;
        }
        let taken: Vec<f64> = (0..times).map(|_| ms(|| wire.call(request))).collect::<io::Result<_>>()?;
        Ok(median(&taken))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A server that runs no command has no folder either.
        let _removed: bool = self.exec(&format!("rm -rf {}", self.folder)).is_ok();
    }
}
