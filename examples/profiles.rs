//! What `make demo-files` moves: profiles in SQLite, and the file server that their photos are on.
//!
//!     profiles make demo/files/app.db 5000 http://127.0.0.1:8080     a table of profiles, four to ten files each
//!     profiles serve 8080                                            the file server
//!     profiles page demo/files/app.db demo/files/moved.html          a page that lists what moved
//!     profiles digest demo/files/app.db                              SHA-256 of all that rows say of their files

use milkrun::digest;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["make", path, profiles, base] => make(path, profiles, base),
        ["serve", port] => serve(port),
        ["page", path, page] => list(path, page),
        ["digest", path] => print_digest(path),
        _ => Err("profiles make DB COUNT URL | serve PORT | page DB PAGE | digest DB".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("profiles: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Profiles with a paper and three to nine photos each; the same ones every time. A file that exists is left alone.
fn make(path: &str, profiles: &str, base: &str) -> Result<(), Box<dyn Error>> {
    if std::fs::exists(path)? {
        println!("{path} is there already");
        return Ok(());
    }
    let profiles: u64 = profiles.parse()?;
    let mut database = Connection::open(path)?;
    database.execute_batch(
        "CREATE TABLE profiles (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, paper_url TEXT NOT NULL, paper_sha256 TEXT NOT NULL, photos TEXT NOT NULL,
            photos_migrated_at TEXT, migration_state TEXT, deleted_at TEXT)",
    )?;
    let (transaction, mut files) = (database.transaction()?, 0);
    for id in 1..=profiles {
        let paper = format!("/{id}/paper.svg");
        let count = 3 + id * 5 % 7;
        let photos = (1..=count).map(|n| {
            let place = format!("{base}/{id}/photo%20{n}.svg");
            json!({"original": place, "thumbnail": format!("{place}?width=80"), "likes": id * n % 97})
        });
        let photos: Value = photos.collect();
        transaction.execute(
            "INSERT INTO profiles (id, name, paper_url, paper_sha256, photos) VALUES (?, ?, ?, ?, ?)",
            params![
                i64::try_from(id)?,
                format!("Person {id}"),
                format!("{base}{paper}"),
                digest::sha256(picture(&paper)),
                photos.to_string()
            ],
        )?;
        files += 1 + count;
    }
    transaction.commit()?;
    println!("{profiles} profiles with {files} files");
    Ok(())
}

/// The picture at a path: always the same, 1 to 9 KB of it.
fn picture(path: &str) -> String {
    let seed = digest::sha256(path);
    let colour = seed.get(..6).unwrap_or("888888");
    let length = 1000 + usize::from_str_radix(seed.get(6..9).unwrap_or_default(), 16).unwrap_or_default() * 2;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"80\" height=\"80\"><circle cx=\"40\" cy=\"40\" r=\"36\" fill=\"#{colour}\"/><!-- "
    );
    while svg.len() < length {
        svg.push_str(&seed);
    }
    svg.push_str(" --></svg>");
    svg
}

fn serve(port: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            // Whoever hangs up has what it wanted.
            let _ = answer(&stream);
        });
    }
    Ok(())
}

fn answer(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/").to_owned();
        let body = picture(&path);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: image/svg+xml\r\nContent-Length:";
        writer.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())?;
    }
}

/// A page with the first two hundred profiles, and what became of all.
fn list(path: &str, page: &str) -> Result<(), Box<dyn Error>> {
    let database = Connection::open(path)?;
    let count = |state: &str| -> rusqlite::Result<i64> {
        database.query_row("SELECT COUNT(*) FROM profiles WHERE migration_state = ?", [state], |row| row.get(0))
    };
    let mut html = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><title>Profile photos</title>\
         <style>body{{font:16px sans-serif;margin:2em}}img{{width:40px}}td{{padding:.2em 1em;border-bottom:1px solid #ddd}}</style>\
         <h1>Profile photos</h1><p>{} profiles active, {} failed. The first two hundred:</p><table>",
        count("active")?,
        count("failed")?
    );
    let mut rows = database
        .prepare("SELECT id, name, paper_url, photos, photos_migrated_at FROM profiles ORDER BY id LIMIT 200")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name, paper): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let photos: Value = serde_json::from_str(&row.get::<_, String>(3)?)?;
        let moved: Option<String> = row.get(4)?;
        let places = std::iter::once(paper.as_str());
        let places =
            places.chain(photos.as_array().into_iter().flatten().filter_map(|photo| photo["original"].as_str()));
        write!(html, "<tr><td>{id}<td>{name}<td>")?;
        for place in places {
            write!(html, "<a href=\"{place}\"><img src=\"{place}\" alt=\"\"></a>")?;
        }
        write!(html, "<td>{}</tr>", moved.as_deref().unwrap_or("not moved"))?;
    }
    html.push_str("</table>");
    std::fs::write(page, html)?;
    println!("{page}");
    Ok(())
}

fn print_digest(path: &str) -> Result<(), Box<dyn Error>> {
    let database = Connection::open(path)?;
    let mut rows =
        database.prepare("SELECT id, name, paper_url, photos, photos_migrated_at FROM profiles ORDER BY id")?;
    let mut rows = rows.query([])?;
    let mut all = String::new();
    while let Some(row) = rows.next()? {
        let (id, name, paper): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (photos, moved): (String, Option<String>) = (row.get(3)?, row.get(4)?);
        writeln!(all, "{id} {name} {paper} {photos} {moved:?}")?;
    }
    println!("{}", digest::sha256(all));
    Ok(())
}
