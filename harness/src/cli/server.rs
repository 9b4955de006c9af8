//! The arguments about a server that every subcommand takes which asks one.

use std::{path::Path, path::PathBuf, time::Duration};

use boxd_harness::{
    book::Book, book::Case, glob::fits, helper, site::Site, site::await_server, target::Target,
};
use clap::Args;

/// Which server, and what is around it.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// A header that goes with every request, like 'Authorization: Bearer abc'. May be given several times.
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// Wait so many seconds for the server to answer, at the beginning and after each reset or kill.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) wait: u64,
    /// A folder that the server sees, made or there; cases that need files get folders of their own in it.
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<String>,
    /// The server's working folder, when --reset-cmd leaves it empty: cases with relative paths can be run.
    #[arg(long, value_name = "DIR", conflicts_with = "workspace")]
    pub(crate) working_folder: Option<String>,
    /// The server runs on this machine and may run this program: cases that listen on ports can be run.
    #[arg(long)]
    pub(crate) local: bool,
    /// A command for the shell that kills the server with SIGKILL; somebody has to start it again. For crash cases.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) kill_cmd: Option<String>,
}

impl Server {
    /// The server at a URL, once it answers if it was to be waited for.
    pub(crate) fn target(&self, url: &str) -> Result<Target, String> {
        let target = self.named(url)?;
        if self.wait > 0 {
            await_server(&target, Duration::from_secs(self.wait))?;
        }
        Ok(target)
    }

    /// The server at a URL, whether or not it is there.
    pub(crate) fn named(&self, url: &str) -> Result<Target, String> {
        let mut target = Target::parse(url)?;
        self.header.iter().try_for_each(|header| target.add_header(header))?;
        Ok(target)
    }

    /// What is around it, and whether that is surely this machine.
    pub(crate) fn site(&self, is_local: bool) -> Result<Site, String> {
        Ok(Site {
            workspace: self.workspace.clone(),
            working_folder: self.working_folder.clone(),
            helper: if self.local || is_local {
                Some(helper::command_line().map_err(|error| error.to_string())?)
            } else {
                None
            },
            kill_command: self.kill_cmd.clone(),
            is_reset: false,
            patience: Duration::from_secs(self.wait.max(10)),
        })
    }
}

/// Which cases.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// Only cases whose name fits, like 'process/*' or '*sse*'.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    pub(crate) only: String,
    /// Take fixtures/ and snapshots/ from this folder, and not those that the program was built with.
    #[arg(long, value_name = "DIR")]
    pub(crate) cases: Option<PathBuf>,
}

impl Choice {
    fn book(&self) -> Result<Book, String> {
        self.cases.as_deref().map_or_else(Book::embedded, |folder: &Path| Book::read(folder))
    }

    /// Refuses names of which there is no case: a list that was written for others.
    pub(crate) fn knows<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let book = self.book()?;
        match names.find(|name| book.cases.iter().all(|case| case.name != *name)) {
            Some(name) => Err(format!("the baseline names `{name}`, and there is no such case")),
            None => Ok(()),
        }
    }

    /// The cases that fit.
    pub(crate) fn chosen(&self) -> Result<Vec<Case>, String> {
        let chosen: Vec<_> =
            self.book()?.cases.into_iter().filter(|case| fits(&self.only, &case.name)).collect();
        if chosen.is_empty() {
            return Err(format!("no case fits `{}`", self.only));
        }
        Ok(chosen)
    }
}
