//! A tree searched for names and for text, beside ripgrep.

use std::{fs, io, path::Path};

use super::{
    Bench, Measured, in_turn, ms,
    row::{Goal, Row, Unit},
    shell,
    wire::Wire,
};

const FOLDERS: usize = 400;
const FILES: usize = 50;
const LINES: usize = 80;
/// One file of so many has the word.
const NEEDLE_EVERY: usize = 200;
const NEEDLE: &str = "haystackneedle";
const TIMES: usize = 5;
const ROOM: usize = 4 << 20;
const GOAL: f64 = 1.3;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    if shell::run("command -v rg").is_err() {
        return Err(io::Error::other("there is no ripgrep to compare with (apt-get install ripgrep)"));
    }
    let server = bench.server()?;
    let folder = server.folder().join("tree");
    make_tree(&folder)?;
    let mut wire = Wire::connect(server.target(), ROOM)?;
    let at = folder.display();
    let searches = [
        (
            "20,000 files found by name; floor: `rg --files`".to_owned(),
            format!("rg --no-ignore --hidden --files {at}"),
            server.get(&format!("/filesystem-find/{at}?maxResults=0"), "application/json"),
        ),
        (
            format!(
                "one word found in 20,000 files ({} MB); floor: `rg`",
                FOLDERS * FILES * LINES * 80 / 1_000_000
            ),
            format!("rg --no-ignore --hidden --text -n --column -F -i {NEEDLE} {at}"),
            server.get(
                &format!("/filesystem-content-search/{at}?query={NEEDLE}&maxResults=1000"),
                "application/json",
            ),
        ),
    ];
    let mut rows = Vec::new();
    for (figure, floor, request) in searches {
        let (mut floors, mut results) = (Vec::new(), Vec::new());
        // The first round warms up.
        for _ in 0..=bench.rounds {
            let (floor, result) =
                in_turn(0, TIMES, || Ok((ms(|| shell::run(&floor))?, ms(|| wire.call(&request))?)))?;
            floors.push(floor);
            results.push(result);
        }
        rows.push(Row {
            figure,
            n: format!("{} × {TIMES}", bench.rounds),
            floors: floors.split_off(1),
            results: results.split_off(1),
            unit: Unit::Milliseconds,
            goal: Goal::Times(GOAL),
        });
    }
    Ok(Measured { rows, notes: Vec::new() })
}

fn make_tree(folder: &Path) -> io::Result<()> {
    let line = "    let value = compute(first, second, third); // some words as they are in code\n";
    for n in 0..FOLDERS {
        let inner = folder.join(format!("module-{n:03}/inner"));
        fs::create_dir_all(&inner)?;
        for m in 0..FILES {
            let mut text = line.repeat(LINES);
            if (n * FILES + m).is_multiple_of(NEEDLE_EVERY) {
                text.push_str(NEEDLE);
                text.push('\n');
            }
            fs::write(inner.join(format!("file-{m:02}.rs")), text)?;
        }
    }
    Ok(())
}
