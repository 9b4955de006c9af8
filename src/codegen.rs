//! Codegen: changes of files that a provider's model merges, and files that it ranks.
//!
//! Two providers are known, Relace and Morph; the first that has a key is asked. The model's answer is waited for on the blocking
//! pool, by a few at one time; who stops to wait is not waited for, and then no file is written.

mod apply;
mod provider;
mod rerank;

use std::sync::Arc;

use smol::lock::{Semaphore, SemaphoreGuardArc};

use crate::config::CodegenSettings;
use crate::error::{Error, Result};
use provider::Provider;

pub(crate) use apply::ApplyRequest;
pub(crate) use rerank::{RankedFile, RerankRequest};

/// Calls of providers at one time: each holds a thread, as long as the provider takes.
const CALLS_MAX: usize = 16;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Codegen {
    provider: Option<Arc<Provider>>,
    calls: Arc<Semaphore>,
}

impl Codegen {
    /// With the keys that there are.
    pub(crate) fn new(settings: &CodegenSettings) -> Self {
        let provider = Provider::choose(settings).map(Arc::new);
        Self { provider, calls: Arc::new(Semaphore::new(CALLS_MAX)) }
    }

    /// Whether there is a key.
    pub(crate) fn is_configured(&self) -> bool {
        self.provider.is_some()
    }

    /// The provider, if there is a key.
    ///
    /// # Errors
    /// `CodegenUnconfigured`.
    pub(crate) fn check(&self) -> Result<()> {
        self.provider().map(drop)
    }

    fn provider(&self) -> Result<Arc<Provider>> {
        self.provider.clone().ok_or(Error::CodegenUnconfigured)
    }

    /// Waits for the turn to call the provider.
    async fn turn(&self) -> SemaphoreGuardArc {
        self.calls.acquire_arc().await
    }
}
