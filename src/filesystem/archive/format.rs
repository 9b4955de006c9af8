//! `Format`: the kinds of archives. Pure.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// As GNU tar writes it.
    Tar,
    /// The same, compressed by gzip.
    TarGz,
    /// Zip, with its 64 bit form where a size needs it.
    Zip,
}

/// Each with its name, its content types, the best first, and the end of a file's name.
const ALL: [(Format, &str, &[&str]); 3] = [
    (Format::Tar, "tar", &["application/x-tar", "application/tar"]),
    (Format::TarGz, "tar.gz", &["application/gzip", "application/x-gzip", "application/x-gtar"]),
    (Format::Zip, "zip", &["application/zip", "application/x-zip-compressed"]),
];

impl Format {
    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = if name == "tgz" { "tar.gz" } else { name };
        ALL.iter().find(|(_, known, _)| *known == name).map(|(format, ..)| *format)
    }

    /// By a content type, whatever parameters it has.
    pub(crate) fn of_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        ALL.iter().find(|(.., types)| types.contains(&essence.as_str())).map(|(format, ..)| *format)
    }

    /// Its name, which is the end of a file's name, too.
    pub(crate) fn name(self) -> &'static str {
        ALL.iter().find(|(format, ..)| *format == self).map_or("", |(_, name, _)| name)
    }

    /// Its content type.
    pub(crate) fn content_type(self) -> &'static str {
        ALL.iter().find(|(format, ..)| *format == self).map_or("", |(.., types)| types[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_names_and_types() {
        for (format, name, types) in ALL {
            assert_eq!((Format::named(name), format.name()), (Some(format), name));
            assert!(types.iter().all(|content_type| Format::of_type(content_type) == Some(format)));
            assert_eq!(Format::of_type(format.content_type()), Some(format));
        }
        assert_eq!(Format::named("tgz"), Some(Format::TarGz));
        assert_eq!(Format::of_type("Application/Zip; x=y"), Some(Format::Zip));
        assert_eq!((Format::named("rar"), Format::of_type("application/json")), (None, None));
    }
}
