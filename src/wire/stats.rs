//! What a process uses.

use serde::Serialize;
use utoipa::ToSchema;

/// What the finished runs of a process have used.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageResponse {
    /// Milliseconds of CPU time outside of the kernel: the command and its descendants, but for those that nobody in its tree
    /// waited for.
    #[schema(examples(1250))]
    pub(crate) user_ms: u64,
    /// The same inside the kernel.
    #[schema(examples(80))]
    pub(crate) system_ms: u64,
    /// The most memory that one process of it held, in bytes. Never below what boxd itself held when it started the command
    /// (about 5 MiB): the kernel counts that moment.
    #[schema(examples(12_582_912))]
    pub(crate) max_rss_bytes: u64,
}

/// What a process and its descendants use now and have used, all runs together; the final numbers once it is over.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatsResponse {
    /// As in the process object.
    #[schema(examples("4711"))]
    pub(crate) pid: String,
    /// As in the process object.
    #[schema(examples("build"))]
    pub(crate) name: String,
    /// As in the process object.
    #[schema(examples("running"))]
    pub(crate) status: &'static str,
    /// CPU time.
    pub(crate) cpu: CpuStats,
    /// Memory.
    pub(crate) memory: MemoryStats,
    /// Input and output that reached storage.
    pub(crate) io: IoStats,
    /// Threads that live.
    #[schema(examples(4))]
    pub(crate) threads: u64,
    /// Processes that live: the command and its descendants.
    #[schema(examples(2))]
    pub(crate) processes: u64,
    /// Who counted the CPU time: `cgroup` misses nobody; `proc` misses descendants that were orphaned and have ended.
    #[schema(examples("proc"))]
    pub(crate) source: &'static str,
}

/// CPU time of a tree.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CpuStats {
    /// Milliseconds outside of the kernel.
    pub(crate) user_ms: u64,
    /// Milliseconds inside the kernel.
    pub(crate) system_ms: u64,
}

/// Memory of a tree.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemoryStats {
    /// Bytes that the living processes hold. Without a limit of memory, pages that they share are counted for each.
    pub(crate) rss_bytes: u64,
    /// With a limit of memory the most bytes that the tree held, page cache included; else the most that one process held.
    pub(crate) peak_bytes: u64,
}

/// Input and output of a tree. What the page cache serves or still holds back is not in it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IoStats {
    /// Bytes read.
    pub(crate) read_bytes: u64,
    /// Bytes written.
    pub(crate) written_bytes: u64,
}
