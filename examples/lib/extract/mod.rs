//! The program `extract`: captures to tables of sessions or packets.

mod kind;
mod options;
mod resources;
mod sink;
mod summary;
#[cfg(test)]
mod tests;

pub use kind::Kind;
pub use options::{Options, Out, USAGE};
pub use summary::Summary;

use nf_core::{Capture, Error, LinkType, Session, SessionTable, session::TableStats};
use sink::Sink;
use std::{
    fmt::Display,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Sessions of a block: few enough to stay in the processor's cache, enough to make a batch of a file.
const BLOCK_SESSIONS: usize = 128;

/// Packets kept by the sessions of a block: with four times as many, an extraction of packets takes 5 % longer.
const BLOCK_PACKETS: usize = 2048;

/// Runs the program and gives its exit code: 0, 1 where something could not be read or written, 2 where the arguments are
/// wrong. `out` takes the summary where JSON was asked for, or help; `err` everything else.
pub fn run(arguments: lexopt::Parser, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    // Nobody is left to be told where these cannot be written to.
    let say = |to: &mut dyn Write, text: &dyn Display| drop(writeln!(to, "{text}"));
    let options = match Options::parse(arguments) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(out, &USAGE);
            return 0;
        }
        Err(error) => {
            say(err, &format_args!("extract: {error}\n\n{USAGE}"));
            return 2;
        }
    };
    let problems = check(&options);
    if !problems.is_empty() {
        problems.iter().for_each(|problem| say(err, &format_args!("extract: {problem}")));
        return 1;
    }
    let (summary, result) = match Extraction::new(&options) {
        Ok(extraction) => extraction.run(&options),
        Err(error) => {
            say(err, &format_args!("extract: {error}"));
            return 1;
        }
    };
    let error = result.err();
    if options.json {
        say(out, &summary.to_json(error.as_deref()));
    } else {
        say(err, &summary);
    }
    match error {
        None => 0,
        Some(error) => {
            say(err, &format_args!("extract: {error}"));
            1
        }
    }
}

/// What is wrong with the captures, as far as their first bytes tell: better told before hours of work than after.
fn check(options: &Options) -> Vec<String> {
    let (mut problems, mut link_types) = (Vec::new(), LinkTypes::default());
    for path in &options.captures {
        // A pipe can be read but once.
        if fs::metadata(path).is_ok_and(|file| !file.is_file() && !file.is_dir()) {
            continue;
        }
        match Capture::open(path) {
            Ok(mut capture) => {
                let name = capture.name().to_owned();
                // What is damaged further on is told when it is read: what came before is kept.
                if let Ok(Some(frame)) = capture.next_frame() {
                    problems.extend(link_types.check(&name, frame.link_type).err());
                }
            }
            Err(error) => problems.push(in_words(error)),
        }
    }
    problems
}

/// Captures read as one must be of one link.
#[derive(Default)]
struct LinkTypes {
    first: Option<(String, LinkType)>,
}

impl LinkTypes {
    fn check(&mut self, name: &str, link_type: LinkType) -> Result<(), String> {
        let (first, expected) = self.first.get_or_insert_with(|| (name.to_owned(), link_type));
        if *expected == link_type {
            return Ok(());
        }
        let (found, expected) = (link_type.0, expected.0);
        Err(format!("{name} has link type {found}, it must have {expected} as {first} has: extract it on its own"))
    }
}

/// Captures on their way to a table.
struct Extraction {
    kind: Kind,
    block: Vec<Session>,
    /// Packets that the sessions of the block keep.
    packets: usize,
    sink: Sink,
    summary: Summary,
}

impl Extraction {
    fn new(options: &Options) -> Result<Self, String> {
        let sink = Sink::create(&options.out, options.kind)?;
        Ok(Self { kind: options.kind, block: Vec::new(), packets: 0, sink, summary: Summary::default() })
    }

    /// Reads until the end or the first damage, and closes the table either way.
    fn run(mut self, options: &Options) -> (Summary, Result<(), String>) {
        let start = resources::Start::now();
        let mut stats = TableStats::default();
        let read = match &options.captures[..] {
            [capture] => self.read_one(capture, options, &mut stats),
            captures => self.read_several(captures, options, &mut stats),
        };
        let written = self.flush().and_then(|()| self.sink.finish());
        self.summary.note(&stats, &start);
        (self.summary, read.and(written))
    }

    fn read_one(&mut self, path: &Path, options: &Options, stats: &mut TableStats) -> Result<(), String> {
        let capture = Capture::open(path).map_err(in_words)?;
        let sessions = capture.sessions(&options.session_config()).map_err(in_words)?;
        let mut sessions = sessions.threads(options.threads);
        let taken = sessions.by_ref().try_for_each(|session| self.take(session.map_err(in_words)?));
        stats.clone_from(sessions.stats());
        taken
    }

    /// Reads captures one behind the other: a session may go on in the next.
    fn read_several(&mut self, paths: &[PathBuf], options: &Options, stats: &mut TableStats) -> Result<(), String> {
        let mut table = SessionTable::new(options.session_config()).map_err(in_words)?;
        let mut link_types = LinkTypes::default();
        let read = paths.iter().try_for_each(|path| self.read_part(path, &mut table, &mut link_types));
        table.finish();
        let taken = self.take_ended(&mut table);
        stats.clone_from(table.stats());
        read.and(taken)
    }

    fn read_part(&mut self, path: &Path, table: &mut SessionTable, link_types: &mut LinkTypes) -> Result<(), String> {
        let mut capture = Capture::open(path).map_err(in_words)?;
        let name = capture.name().to_owned();
        let mut begun = false;
        while let Some(frame) = capture.next_frame().map_err(in_words)? {
            if !begun {
                link_types.check(&name, frame.link_type)?;
                begun = true;
            }
            table.push(&frame);
            self.take_ended(table)?;
        }
        Ok(())
    }

    fn take_ended(&mut self, table: &mut SessionTable) -> Result<(), String> {
        while let Some(session) = table.pop() {
            self.take(session)?;
        }
        Ok(())
    }

    fn take(&mut self, session: Session) -> Result<(), String> {
        self.packets += session.packets().len();
        self.block.push(session);
        if self.block.len() >= BLOCK_SESSIONS || self.packets >= BLOCK_PACKETS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        let first = self.summary.sessions;
        self.summary.sessions += self.block.len() as u64;
        self.summary.rows += self.kind.write(&self.block, first, &mut self.sink)?;
        self.block.clear();
        self.packets = 0;
        Ok(())
    }
}

fn in_words(error: Error) -> String {
    error.to_string()
}
