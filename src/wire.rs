//! The JSON of the API: request types read from bodies, answers and stream frames written to bytes.
//!
//! Knows no HTTP and none of the core's types. Reading follows the rules that existing clients rely on (`decode`);
//! writing always gives one line that is safe inside HTML (`escape` for text, `json` for whole values). Request types
//! stand in one file each, named after the type.

pub(crate) mod capabilities;
pub(crate) mod codegen;
pub(crate) mod decode;
pub(crate) mod document;
pub(crate) mod drive;
pub(crate) mod escape;
pub(crate) mod file;
pub(crate) mod file_request;
pub(crate) mod image_archive;
pub(crate) mod json;
pub(crate) mod limits;
pub(crate) mod multipart;
pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod process_request;
pub(crate) mod rfc3339;
pub(crate) mod search;
pub(crate) mod stats;
pub(crate) mod system;
pub(crate) mod terminal;
pub(crate) mod tunnel;

pub(crate) use process_request::ProcessRequest;
