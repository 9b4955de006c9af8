//! The bodies of requests about files.

use utoipa::ToSchema;

use super::decode::{Field, Record};

/// What to write.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct FileRequest {
    /// The file's new text.
    #[schema(required = false)]
    pub(crate) content: String,
    /// Whether a folder is to be made.
    #[schema(required = false, default = false)]
    pub(crate) is_directory: bool,
    /// The permissions of something new, octal; the umask takes its part.
    #[schema(required = false, examples("0644"))]
    pub(crate) permissions: String,
}

impl Record for FileRequest {
    const TYPE: &'static str = "struct { Content string \"json:\\\"content\\\"\"; IsDirectory bool \"json:\\\"isDirectory\\\"\"; Permissions string \"json:\\\"permissions\\\"\" }";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("content", &mut self.content);
        field.read("isDirectory", &mut self.is_directory);
        field.read("permissions", &mut self.permissions);
    }
}

/// The files of a tree.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
pub(crate) struct TreeRequest {
    /// The text of each file, by its path below the folder.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub(crate) files: Vec<(String, String)>,
}

impl Record for TreeRequest {
    const TYPE: &'static str = "struct { Files map[string]string \"json:\\\"files\\\"\" }";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("files", &mut self.files);
    }
}

/// What to copy or move, and where.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct CopyRequest {
    /// A file or a folder.
    pub(crate) source: String,
    /// Its new path, or a folder to put it into.
    pub(crate) destination: String,
    /// Whether what is there is left alone: then it is 409 with the code `FILE_ALREADY_EXISTS`.
    #[schema(required = false, default = false)]
    pub(crate) no_overwrite: bool,
}

impl Record for CopyRequest {
    const TYPE: &'static str = "handler.CopyRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("source", &mut self.source);
        field.read("destination", &mut self.destination);
        field.read("noOverwrite", &mut self.no_overwrite);
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("Source", !self.source.is_empty()), ("Destination", !self.destination.is_empty())]
    }
}

/// A symbolic link to make.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
pub(crate) struct SymlinkRequest {
    /// What it says: any text; it need not be there.
    pub(crate) target: String,
    /// Where the link is to be.
    pub(crate) path: String,
}

impl Record for SymlinkRequest {
    const TYPE: &'static str = "handler.SymlinkRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("target", &mut self.target);
        field.read("path", &mut self.path);
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("Target", !self.target.is_empty()), ("Path", !self.path.is_empty())]
    }
}

/// Permissions to set.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
pub(crate) struct ChmodRequest {
    /// A file or a folder; a link is followed.
    pub(crate) path: String,
    /// Octal, with setuid, setgid and sticky.
    #[schema(examples("0755"))]
    pub(crate) permissions: String,
    /// Whether all that is below a folder is changed too.
    #[schema(required = false, default = false)]
    pub(crate) recursive: bool,
}

impl Record for ChmodRequest {
    const TYPE: &'static str = "handler.ChmodRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("path", &mut self.path);
        field.read("permissions", &mut self.permissions);
        field.read("recursive", &mut self.recursive);
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("Path", !self.path.is_empty()), ("Permissions", !self.permissions.is_empty())]
    }
}

/// An owner to set.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
pub(crate) struct ChownRequest {
    /// A file or a folder; a link is followed.
    pub(crate) path: String,
    /// The user's name or number; stays when absent.
    #[schema(required = false, examples("www-data"))]
    pub(crate) owner: String,
    /// The group's.
    #[schema(required = false)]
    pub(crate) group: String,
    /// Whether all that is below a folder is changed too.
    #[schema(required = false, default = false)]
    pub(crate) recursive: bool,
}

impl Record for ChownRequest {
    const TYPE: &'static str = "handler.ChownRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("path", &mut self.path);
        field.read("owner", &mut self.owner);
        field.read("group", &mut self.group);
        field.read("recursive", &mut self.recursive);
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("Path", !self.path.is_empty())]
    }
}
