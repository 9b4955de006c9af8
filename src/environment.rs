//! `Environment`: the variables that commands, and what else the daemon starts, are given.
//!
//! Three layers, the later ones win: `base`, the daemon's own variables as it was started, files included (`start`); what the daemon
//! itself provides (`authorities`); and `applied`, what the last reload has read (`metadata`). A reload replaces its layer whole, so a
//! variable that is gone gives way to the one below. It is noted in the journal, so the next worker goes on with it.
//!
//! It knows neither commands nor HTTP.

mod authorities;
mod bound;
mod dotenv;
mod given;
mod metadata;
mod pairs;
mod reading;
mod start;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::custody::{Custody, Frame};
use crate::error::{Error, Result};
use crate::keeper;
pub(crate) use given::Given;
use metadata::Metadata;

pub use start::load;

/// Names and values.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

/// The kind of the record in the journal.
const KIND: u8 = 7;

/// Variables of the daemon that nothing it starts is to see.
pub(crate) const SECRET: [&str; 3] = ["BOXD_AUTH_TOKEN", keeper::protocol::SOCKET, keeper::renewal::STATE];

/// The document of a reload, when nothing is set.
const METADATA_PATH: &str = "/bl/metadata";

/// See the module.
#[derive(Debug)]
pub(crate) struct Environment {
    custody: Custody,
    metadata_path: PathBuf,
    /// The turn of reloads. Held while the document is read.
    turn: Arc<smol::lock::Mutex<()>>,
    /// Held for a few lines at a time.
    layers: Mutex<Layers>,
}

#[derive(Debug)]
struct Layers {
    /// Those of this process, as they are for good.
    own: Variables,
    /// Also what the daemon provides.
    base: Variables,
    applied: Applied<'static>,
    /// All of them as one.
    together: Arc<Given>,
}

/// What the last reload has read, as the next worker finds it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Applied<'a> {
    environment: Cow<'a, BTreeMap<String, String>>,
}

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reloaded {
    /// As the document says.
    pub(crate) generation: u64,
    /// Variables that the document sets.
    pub(crate) applied: usize,
    /// Variables that an earlier one had set and this one does not.
    pub(crate) removed: usize,
}

impl Environment {
    /// The layers of this program, and what an earlier worker has applied. Merges certificates, so it blocks as long as the disk does.
    pub(crate) fn open(
        own: impl Iterator<Item = (OsString, OsString)>,
        custody: Custody,
        frames: &[Frame],
    ) -> Self {
        let own: Variables = own.collect();
        let mut base = own.clone();
        for name in SECRET {
            base.remove(OsStr::new(name));
        }
        let path = base.get(OsStr::new("BL_METADATA_PATH")).filter(|path| !path.is_empty());
        let metadata_path = path.map_or_else(|| METADATA_PATH.into(), PathBuf::from);
        for (name, value) in authorities::merge(&base) {
            base.insert(name.into(), value);
        }
        let last = frames.iter().rev().find(|frame| frame.kind == KIND);
        let applied = last.and_then(|frame| serde_json::from_slice(&frame.bytes).ok()).unwrap_or_default();
        let mut layers = Layers { own, base, applied, together: Arc::default() };
        layers.join();
        Self { custody, metadata_path, turn: Arc::default(), layers: Mutex::new(layers) }
    }

    /// What is given to whatever is started now.
    pub(crate) fn given(&self) -> Arc<Given> {
        self.lock().together.clone()
    }

    /// All variables of that.
    pub(crate) fn variables(&self) -> Arc<Variables> {
        self.given().all.clone()
    }

    /// One of them as text; an empty one counts as not set.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let variables = self.variables();
        let value = variables.get(OsStr::new(name)).filter(|value| !value.is_empty());
        value.map(|value| value.to_string_lossy().into_owned())
    }

    /// Reads the document and applies it whole, or not at all. `may` is asked when it is this one's turn, and what it gives is kept
    /// until all is done.
    pub(crate) async fn reload<P: Send + 'static>(
        self: &Arc<Self>,
        may: impl FnOnce() -> Result<P>,
    ) -> Result<Reloaded> {
        let turn = self.turn.clone().lock_arc().await;
        let pass = may()?;
        let this = self.clone();
        let reload = move || {
            // Both go with the work, and not with whoever waits for it.
            let (_turn, _pass) = (turn, pass);
            let bytes = reading::contents(&this.metadata_path, reading::FILE_BYTES_MAX)?;
            let metadata = Metadata::parse(&bytes)
                .map_err(|why| Error::BadMetadata { path: this.metadata_path.clone(), why })?;
            this.apply(metadata).map_err(|why| Error::BadMetadata { path: this.metadata_path.clone(), why })
        };
        blocking::unblock(reload).await
    }

    /// Sets variables of the layer that the daemon provides. They are not noted: the next worker finds them out by itself.
    pub(crate) fn provide(&self, variables: impl IntoIterator<Item = (&'static str, OsString)>) {
        let mut layers = self.lock();
        layers.base.extend(variables.into_iter().map(|(name, value)| (name.into(), value)));
        layers.join();
    }

    /// Notes what was applied, for the next worker.
    pub(crate) fn tell(&self) {
        self.note(&self.lock());
    }

    /// The error is a sentence, and then nothing is changed.
    fn apply(&self, metadata: Metadata) -> std::result::Result<Reloaded, String> {
        let Metadata { generation, environment } = metadata;
        let mut layers = self.lock();
        let before = layers.applied.environment.keys();
        let removed = before.filter(|name| !environment.contains_key(*name)).count();
        let applied = environment.len();
        let together = layers.joined(&environment);
        let (bytes, max) = (bound::bytes_of(&together), bound::bytes_max());
        // What makes it better is taken.
        if bytes > max && bytes > bound::bytes_of(&layers.together.all) {
            return Err(format!(
                "all variables together take {bytes} bytes, and nothing can be started with more than {max}"
            ));
        }
        layers.applied = Applied { environment: Cow::Owned(environment) };
        layers.together = Arc::new(Given::new(together, &layers.own));
        self.note(&layers);
        Ok(Reloaded { generation, applied, removed })
    }

    /// Under the lock, so that records keep the order of the changes.
    fn note(&self, layers: &Layers) {
        self.custody.note(KIND, &layers.applied);
    }

    fn lock(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layers {
    fn join(&mut self) {
        self.together = Arc::new(Given::new(self.joined(&self.applied.environment), &self.own));
    }

    /// All of them as one, with these in the place of what was applied.
    fn joined(&self, applied: &BTreeMap<String, String>) -> Variables {
        let mut together = self.base.clone();
        together.extend(applied.iter().map(|(name, value)| (name.into(), value.into())));
        for name in SECRET {
            together.remove(OsStr::new(name));
        }
        together
    }
}

#[cfg(test)]
mod tests;
