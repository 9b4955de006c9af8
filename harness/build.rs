//! Puts every fixture and its snapshot into the library, so that the binary needs no source tree.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    let manifest = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let root =
        Path::new(&manifest).parent().ok_or_else(|| io::Error::other("the harness stands in a workspace"))?;
    let mut list = String::from("static EMBEDDED: &[(&str, &str, Option<&str>)] = &[\n");
    for resource in folder(&root.join("fixtures"))? {
        for case in folder(&root.join("fixtures").join(&resource))? {
            let Some(stem) = case.strip_suffix(".toml") else { continue };
            let name = format!("{resource}/{stem}");
            let fixture = root.join("fixtures").join(format!("{name}.toml"));
            let snapshot = root.join("snapshots").join(format!("{name}.snap"));
            let snapshot = if snapshot.exists() {
                format!("Some(include_str!(r#\"{}\"#))", snapshot.display())
            } else {
                "None".to_owned()
            };
            let fixture = fixture.display();
            writeln!(list, "    ({name:?}, include_str!(r#\"{fixture}\"#), {snapshot}),")
                .map_err(io::Error::other)?;
        }
    }
    list.push_str("];\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("embedded.rs"), list)?;
    for watched in ["fixtures", "snapshots", "harness/build.rs"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    Ok(())
}

/// The names in a folder, ordered; a folder that isn't there is empty.
fn folder(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
