//! Many small files, written one after the other.

use std::{fs, io, path::Path, thread, time::Instant};

use super::{
    Bench, Measured,
    row::{Goal, Row, Unit},
    server::Server,
    statistics::number,
};

const FILES: usize = 10_000;
const CLIENTS: usize = 4;
const CONTENT: &str =
    "a hundred bytes of text, or nearly so, as many small files of a project have it, and a line end\n";
const GOAL: f64 = 0.5;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let server = bench.server()?;
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    // The first round warms up.
    for _ in 0..=bench.rounds {
        floors.push(in_fresh_folder(&server, plainly)?);
        results.push(in_fresh_folder(&server, |folder| over_http(&server, folder))?);
    }
    Ok(Measured::row(Row {
        figure: format!(
            "10,000 small files by `PUT /filesystem`, {CLIENTS} connections; floor: one loop of create, write, close, rename"
        ),
        n: bench.rounds.to_string(),
        floors: floors.split_off(1),
        results: results.split_off(1),
        unit: Unit::PerSecond,
        goal: Goal::Share(GOAL),
    }))
}

fn in_fresh_folder(server: &Server, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<f64> {
    let folder = server.folder().join("files");
    fs::create_dir(&folder)?;
    let began = Instant::now();
    write(&folder)?;
    let rate = number(FILES) / began.elapsed().as_secs_f64();
    let written = fs::read_dir(&folder)?.count();
    fs::remove_dir_all(&folder)?;
    if written == FILES {
        Ok(rate)
    } else {
        Err(io::Error::other(format!("{written} of {FILES} files are there")))
    }
}

fn plainly(folder: &Path) -> io::Result<()> {
    let temporary = folder.join(".temporary");
    for n in 0..FILES {
        fs::write(&temporary, CONTENT)?;
        fs::rename(&temporary, folder.join(format!("file-{n}")))?;
    }
    Ok(())
}

fn over_http(server: &Server, folder: &Path) -> io::Result<()> {
    let body = serde_json::json!({ "content": CONTENT }).to_string();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let body = &body;
                scope.spawn(move || -> io::Result<()> {
                    let mut wire = server.connect()?;
                    for n in (client..FILES).step_by(CLIENTS) {
                        let path = format!("/filesystem/{}/file-{n}", folder.display());
                        wire.call(&server.put(&path, body))?;
                    }
                    Ok(())
                })
            })
            .collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| io::Error::other("a client failed"))?)
    })
}
