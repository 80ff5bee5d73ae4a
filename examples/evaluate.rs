//! Fits a detector on benign traffic, calibrates it on later benign traffic, and says how well it tells labelled attacks from
//! the benign sessions around them: each head alone, and all combined.

use nf_core::{
    Capture, Detector, Error, ErrorKind, Result, SessionConfig,
    detector::Recipe,
    evaluate::{JudgedCapture, Labels, Report, Truth},
};
use nf_examples::{Bar, Phases, data, read_sessions};
use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

const USAGE: &str = "\
usage: evaluate [--train T --val V --test S [--labels L.csv] [--attackers A.json]] [--attack NAME=CAPTURE].. [OPTION]..

  --train T, --val V        benign captures: to fit on, and to calibrate on
  --test S                  the capture to judge; without --labels all of it is benign
  --labels L.csv            which sessions of S are which attack
  --attackers A.json        hosts whose traffic outside every attack is left out
  --attack NAME=CAPTURE     a capture all of which is one attack, may be repeated
  --heads all|NAME,..       heads of the detector (those of the default recipe)
  --strict                  leave out address resolution that carries another attack's label
  --seed N                  seed of everything random (7)
  --json OUT                write the figures as JSON
  --scores DIR              write the scores of every session to DIR/val.csv and DIR/test.csv

Without captures the lab corpus is taken: from $NF_DATA/lab where NF_DATA is set, else the cut that comes with the examples.";

#[derive(Debug, Default)]
struct Options {
    train: PathBuf,
    val: PathBuf,
    test: PathBuf,
    labels: Option<PathBuf>,
    attackers: Option<PathBuf>,
    attacks: Vec<(String, PathBuf)>,
    heads: Option<Vec<String>>,
    strict: bool,
    seed: u64,
    json: Option<PathBuf>,
    scores: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("evaluate: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evaluate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let config = SessionConfig::default();
    // Before the work, so that a place that cannot be written to costs none.
    let in_place = |path: &Path, error| Error::new(ErrorKind::Io, format!("{}: {error}", path.display()));
    if let Some(path) = &options.json {
        fs::write(path, "").map_err(|error| in_place(path, error))?;
    }
    if let Some(directory) = &options.scores {
        fs::create_dir_all(directory).map_err(|error| in_place(directory, error))?;
    }
    let labels = options.labels.as_ref().map(|path| Labels::read(path, options.attackers.as_deref())).transpose()?;
    let mut phases = Phases::default();
    let train = phases.run("read train", |bar| read_sessions(&options.train, &config, bar))?;
    let calibration = phases.run("read val", |bar| read_sessions(&options.val, &config, bar))?;
    let detector = phases.run("fit and calibrate", |bar| {
        let mut recipe = Detector::recipe().seed(options.seed);
        if let Some(heads) = &options.heads {
            recipe = recipe.heads(heads)?;
        }
        recipe.fit_on(&train, &calibration, |progress| {
            bar.fit(progress);
            ControlFlow::Continue(())
        })
    })?;
    let detector = Arc::new(detector.with_threads(0));

    let replay = |path: &Path, bar: &Bar| {
        JudgedCapture::replay(&detector, Capture::open(path)?, &config, |frames| {
            bar.set(None, || format!("{frames} frames"));
        })
    };
    let val = phases.run("judge val", |bar| replay(&options.val, bar))?;
    let test = phases.run("judge test", |bar| replay(&options.test, bar))?;
    let mut attacks = Vec::new();
    for (name, path) in &options.attacks {
        let judged = phases.run(&format!("judge {name}"), |bar| replay(path, bar))?;
        attacks.push((judged, Truth::attack(name, Capture::open(path)?, &config)?));
    }

    let mut report = phases.run("count", |_| {
        let truth = match labels {
            Some(labels) => Truth::labelled(labels, options.strict, Capture::open(&options.test)?, &config)?,
            None => Truth::benign(),
        };
        let mut parts = vec![(&test, &truth)];
        parts.extend(attacks.iter().map(|(judged, truth)| (judged, truth)));
        Ok(Report::new(&val, &parts))
    })?;
    report = report.sessions("train", train.len());
    for (name, time) in phases.done() {
        report = report.phase(name, time.as_secs_f64());
    }
    print!("{report}");
    println!();
    for (name, time) in phases.done() {
        println!("{name:<20} {:>8.1} s", time.as_secs_f64());
    }
    if let Some(path) = &options.json {
        fs::write(path, report.to_json()).map_err(|error| in_place(path, error))?;
    }
    if let Some(directory) = &options.scores {
        val.write_scores(directory.join("val.csv"))?;
        test.write_scores(directory.join("test.csv"))?;
    }
    Ok(())
}

impl Options {
    /// The options, or `None` where help was asked for.
    fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let mut options = Self { seed: 7, ..Self::default() };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("train") => options.train = parser.value()?.into(),
                Long("val") => options.val = parser.value()?.into(),
                Long("test") => options.test = parser.value()?.into(),
                Long("labels") => options.labels = Some(parser.value()?.into()),
                Long("attackers") => options.attackers = Some(parser.value()?.into()),
                Long("attack") => {
                    let value = parser.value()?.string()?;
                    let (name, path) = value
                        .split_once('=')
                        .ok_or_else(|| format!("--attack is \"{value}\", it must be NAME=CAPTURE"))?;
                    options.attacks.push((name.to_owned(), path.into()));
                }
                Long("heads") => {
                    let value = parser.value()?.string()?;
                    options.heads = Some(match value.as_str() {
                        "all" => Recipe::available_heads().map(str::to_owned).collect(),
                        names => names.split(',').map(str::to_owned).collect(),
                    });
                }
                Long("strict") => options.strict = true,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Long("json") => options.json = Some(parser.value()?.into()),
                Long("scores") => options.scores = Some(parser.value()?.into()),
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(argument.unexpected()),
            }
        }
        options.captures()?;
        Ok(Some(options))
    }

    /// Fills in the lab corpus where no capture was named.
    fn captures(&mut self) -> Result<(), lexopt::Error> {
        let missing = [("--train", &self.train), ("--val", &self.val), ("--test", &self.test)]
            .map(|(name, path)| path.as_os_str().is_empty().then_some(name));
        let missing: Vec<&str> = missing.into_iter().flatten().collect();
        match missing.len() {
            0 => return Ok(()),
            3 => {}
            _ => return Err(format!("{} must be given too", missing.join(" and ")).into()),
        }
        let lab = std::env::var_os("NF_DATA").map_or_else(|| data("lab"), |root| Path::new(&root).join("lab"));
        self.train = lab.join("train.pcap.zst");
        self.val = lab.join("val.pcap.zst");
        self.test = lab.join("test.pcap.zst");
        self.labels.get_or_insert_with(|| lab.join("test.labels.csv"));
        self.attackers.get_or_insert_with(|| lab.join("test.conf.json"));
        Ok(())
    }
}
