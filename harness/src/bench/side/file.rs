//! Files, through the API.

use std::{io, thread, time::Instant};

use serde_json::json;

use super::{
    super::{ms_since, statistics::number, wire::Wire},
    place::Place,
};

const CLIENTS: usize = 4;
const TIMES: usize = 1000;
const ENTRIES: usize = 1000;
const LISTINGS: usize = 20;
const LARGE: usize = 64 << 20;
const CONTENT: &str =
    "a hundred bytes of text, or nearly so, as many small files of a project have it, and a line end\n";

pub(super) fn writes(place: &Place) -> io::Result<f64> {
    let folder = place.folder()?;
    let body = json!({ "content": CONTENT }).to_string();
    rate(place, |n| place.server.put(&format!("/filesystem/{folder}/file-{n}"), &body))
}

pub(super) fn reads(place: &Place) -> io::Result<f64> {
    let folder = place.folder()?;
    let path = format!("/filesystem/{folder}/read");
    let body = json!({ "content": CONTENT }).to_string();
    place.server.connect()?.call(&place.server.put(&path, &body))?;
    rate(place, |_| place.server.get(&path, "application/json"))
}

pub(super) fn download(place: &Place) -> io::Result<f64> {
    let folder = place.folder()?;
    let large = format!("{folder}/large");
    place.exec(&format!("[ -e {large} ] || head -c {LARGE} /dev/zero >{large}"))?;
    let request = place.server.get(&format!("/filesystem/{large}?download=true"), "application/octet-stream");
    let mut wire = Wire::connect(place.server.target(), LARGE + (1 << 16))?;
    let began = Instant::now();
    wire.call(&request)?;
    let took = ms_since(began);
    match wire.body()?.len() {
        LARGE => Ok(number(LARGE) / 1e3 / took),
        bytes => Err(io::Error::other(format!("the download has {bytes} bytes instead of {LARGE}"))),
    }
}

pub(super) fn listing(place: &Place) -> io::Result<f64> {
    let many = many(place)?;
    place.median_of(LISTINGS, &place.server.get(&format!("/filesystem/{many}"), "application/json"))
}

pub(super) fn find(place: &Place) -> io::Result<f64> {
    let many = many(place)?;
    let path = format!("/filesystem-find/{many}?patterns=f77*");
    place.median_of(LISTINGS, &place.server.get(&path, "application/json"))
}

/// A folder of many files.
fn many(place: &Place) -> io::Result<String> {
    let many = format!("{}/many", place.folder()?);
    place.exec(&format!(
        "[ -d {many} ] || {{ mkdir {many}; cd {many}; seq -f 'f%g' {ENTRIES} | xargs touch; }}"
    ))?;
    Ok(many)
}

/// Makes many requests, some at one time; how many a second.
fn rate(place: &Place, request: impl Fn(usize) -> Vec<u8> + Sync) -> io::Result<f64> {
    let began = Instant::now();
    let client = |first: usize| {
        let mut wire = place.server.connect()?;
        (first..TIMES).step_by(CLIENTS).try_for_each(|n| wire.call(&request(n)))
    };
    let client = &client;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|first| scope.spawn(move || client(first))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a client doesn't panic"))
    })?;
    Ok(number(TIMES) / began.elapsed().as_secs_f64())
}
