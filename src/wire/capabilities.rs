//! What the host lets boxd do.

use serde::Serialize;
use utoipa::ToSchema;

/// Which mechanisms are in use, what is missing, and why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CapabilitiesResponse {
    /// Whether nothing important is missing.
    pub(crate) ok: bool,
    /// Each mechanism.
    pub(crate) mechanisms: Vec<MechanismResponse>,
    /// Each limit of a process.
    pub(crate) limits: Vec<LimitCapabilityResponse>,
    /// What a stop or a kill does not reach.
    pub(crate) evades_kill: Vec<&'static str>,
}

/// A mechanism of the kernel, or a part of boxd.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MechanismResponse {
    /// Its name.
    #[schema(examples("pidfdGroupSignals"))]
    pub(crate) name: &'static str,
    /// Whether it is used, or will be when it is needed.
    pub(crate) in_use: bool,
    /// Whether boxd cannot do its work without it.
    pub(crate) important: bool,
    /// How it is used, or why it is not and what that costs.
    pub(crate) detail: String,
}

/// A limit of a process on this host.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitCapabilityResponse {
    /// The field of the request.
    #[schema(examples("memoryBytes"))]
    pub(crate) name: &'static str,
    /// Whether it is taken; else a start with it is refused with 422.
    pub(crate) enforced: bool,
    /// By what, or why not.
    pub(crate) detail: String,
}
