//! `Ground`: what a case wants around a server of its own: a fresh folder with the case's files, the server that it calls, and its flags
//! and variables, filled in. Whoever starts the server takes them from here.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    fixture::Fixture,
    stand_in::StandIn,
    variables::{Variables, unique_name},
};

/// See the module. The folder goes with it, and so do processes that were left behind there.
#[derive(Debug)]
pub(crate) struct Ground {
    directory: String,
    stand_in: Option<StandIn>,
    /// Behind `boxd serve` and where it listens and logs.
    pub(crate) flags: Vec<String>,
    /// All variables but `PATH`, which is the caller's.
    pub(crate) variables: Vec<(String, String)>,
}

impl Ground {
    /// Makes the folder, writes the files and starts the stand-in.
    ///
    /// # Errors
    /// A sentence when something of it cannot be made.
    pub(crate) fn new(fixture: &Fixture) -> Result<Self, String> {
        let directory = std::env::temp_dir().join(format!("boxd-harness-{}", unique_name()));
        let directory = directory.into_os_string().into_string();
        let directory = directory.map_err(|path| format!("{} is no text", path.display()))?;
        // From here on it is removed whatever happens.
        let mut ground = Self { directory, stand_in: None, flags: Vec::new(), variables: Vec::new() };
        let directory = ground.directory.as_str();
        prepare(Path::new(directory), fixture).map_err(|error| format!("{directory}: {error}"))?;
        let mut known = Variables::default();
        known.set("dir", directory);
        if !fixture.stand_in.is_empty() {
            let stand_in = StandIn::start(&fixture.stand_in)
                .map_err(|error| format!("the stand-in can't listen: {error}"))?;
            known.set("stand_in", stand_in.url());
            ground.stand_in = Some(stand_in);
        }
        ground.flags = fixture.daemon.iter().map(|flag| known.fill(flag)).collect::<Result<_, _>>()?;
        // A time zone far from UTC, so that a server which writes local times is found out; and uploads in parts are found in TMPDIR by
        // every daemon: each case has its own.
        let own = [("HOME", directory), ("TMPDIR", directory), ("TZ", "FAR-13")];
        let wanted = fixture.daemon_env.iter().map(|(name, value)| (name.clone(), known.fill_known(value)));
        ground.variables = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        ground.variables.extend(wanted);
        Ok(ground)
    }

    /// The folder, in which the server is to run.
    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    /// The server that it calls, if the fixture has one.
    pub(crate) fn stand_in(&self) -> Option<&StandIn> {
        self.stand_in.as_ref()
    }

    /// Kills what a case's commands have left behind: a daemon that goes away lets them live.
    fn end_commands(&self) {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let is_ours =
                fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.directory));
            let pid = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|_| is_ours) {
                // It may have ended since the look.
                let _killed: bool = kill_process(pid, Signal::KILL).is_ok();
            }
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.end_commands();
        // A directory that can't be removed stays in the temporary folder; no case depends on it.
        let _removed: bool = fs::remove_dir_all(&self.directory).is_ok();
    }
}

fn prepare(directory: &Path, fixture: &Fixture) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, content) in &fixture.files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        fs::write(path, content)?;
    }
    Ok(())
}
