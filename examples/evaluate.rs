//! Fits a detector on benign traffic, calibrates it on later benign traffic, and says how well it tells labelled attacks from
//! the benign sessions around them: each head alone, all combined, and baselines beside them.

#[path = "evaluate/costs.rs"]
mod costs;

use costs::costs;
use nf_core::{
    Detector, Error, ErrorKind, Monitor, Result, Session, SessionConfig,
    detector::Recipe,
    evaluate::{
        Baseline, Comparison, ContaminationReport, Evaluation, ExplanationCheck, IncidentReport, JudgedCapture, Label,
        Recording, Repeats, Report, Shortcuts, Truth, contaminate, promised,
    },
    incident::IncidentConfig,
    monitor::MonitorStats,
};
use nf_examples::{Bar, Inputs, Part, Phases, TruthSource, exit};
use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

const USAGE: &str = "\
usage: evaluate [--corpus NAME | --train T.. [--val V..] --test S [--labels L.csv]] [OPTION]..

what to read
  --corpus NAME             lab (unless given), westermo or maxf_dns: from $NF_DATA, the lab also from the examples' cut
  --split NAME              what of the lab is judged: test (unless given), or dev where there is one
  --calibrate NAME          what of the lab is calibrated on: val (unless given), val-long, or train: the latest 30 % of the
                            time of what is else fitted on
  --train T, --val V        benign captures to fit on and to calibrate on, may be repeated; without --val the latest 30 %
                            of the time of T, or the corpus's own
  --test S                  the capture to judge; without labels all of it is benign
  --labels L.csv            which sessions of S are which attack
  --packet-labels L.csv:C   which packets of S are which attack: columns frame and C
  --attackers A.json        hosts whose traffic outside every attack is left out
  --attack NAME=CAPTURE     a capture all of which is one attack, may be repeated

what to do
  --heads all|NAME,..       heads of the detector (those of the default recipe)
  --strict                  leave out address resolution that carries another attack's label
  --contamination SHARE     assume that share of the training sessions to be attacks: 0 unless given, and what
                            --contaminate mixes in where it does
  --seed N                  seed of everything random (7)
  --seeds N                 repeat with N seeds from --seed on: means and spreads
  --baselines [all|NAME,..] put baselines into the table
  --contaminate SHARE       fit once more with that share of attacks among the training sessions, may be repeated
  --json OUT                write the figures as JSON
  --html OUT                write the figures as a page with plots
  --report OUT              write what happened in the capture, as its reader sees it: its incidents at the smallest budget
                            that is promised, with their evidence
  --scores DIR              write the scores of every session to DIR/val.csv and DIR/test.csv";

#[derive(Debug, Default)]
struct Options {
    corpus: Option<String>,
    split: Option<String>,
    calibrate: Option<String>,
    train: Vec<PathBuf>,
    val: Vec<PathBuf>,
    test: Option<PathBuf>,
    labels: Option<PathBuf>,
    packet_labels: Option<(PathBuf, String)>,
    attackers: Option<PathBuf>,
    attacks: Vec<(String, PathBuf)>,
    heads: Option<Vec<String>>,
    strict: bool,
    seed: u64,
    seeds: u64,
    baselines: Vec<String>,
    contaminate: Vec<f64>,
    contamination: Option<f64>,
    json: Option<PathBuf>,
    html: Option<PathBuf>,
    report: Option<PathBuf>,
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
    exit("evaluate", run(&options))
}

fn run(options: &Options) -> Result<()> {
    let in_place = |path: &Path, error| Error::new(ErrorKind::Io, format!("{}: {error}", path.display()));
    // Before the work, so that a value out of range or a place that cannot be written to costs none.
    let assumed = options.contamination.as_ref().map_or(&options.contaminate[..], std::slice::from_ref);
    assumed.iter().try_for_each(|share| Detector::recipe().contamination(*share).check())?;
    for path in [&options.json, &options.html, &options.report].into_iter().flatten() {
        try_to_write(path).map_err(|error| in_place(path, error))?;
    }
    if let Some(directory) = &options.scores {
        fs::create_dir_all(directory).map_err(|error| in_place(directory, error))?;
    }
    let mut phases = Phases::default();
    let bench = Bench::read(options, &mut phases)?;
    let mut runs = Vec::new();
    for seed in options.seed..options.seed + options.seeds {
        runs.push((seed, bench.run(&bench.train, options.contamination.unwrap_or(0.0), options, seed, &mut phases)?));
    }
    let (_, first) = &runs[0];
    let mut evaluation = Evaluation::new(bench.report(first).sessions("train", bench.train.len()));
    let reports = runs.iter().map(|(seed, run)| (*seed, bench.report(run)));
    evaluation.repeats = (runs.len() > 1).then(|| Repeats::new(reports));
    evaluation.incidents = runs.iter().flat_map(|(_, run)| run.incidents.clone()).collect();
    for report in evaluation.incidents.iter_mut().filter(|report| report.seed == Some(options.seed)) {
        // At each budget of the first seed: another one has other weights, and as much to do.
        let Some(detector) = &first.detector else { continue };
        let detector = detector.with_false_positive_rate(report.rate)?;
        report.costs = phases.run(&format!("measure costs at {:.2} %", report.rate * 100.0), |bar| {
            costs(&detector, &bench.sessions()?, bar)
        })?;
    }
    evaluation.contamination = bench.contamination(options, &runs, &mut phases)?;
    evaluation.comparison = bench.comparison(options, &evaluation.report, &mut phases)?;
    evaluation.shortcuts = bench.shortcuts(&mut phases)?;
    evaluation.explanations = bench.explanations(first, &mut phases)?;
    for (name, time) in phases.done() {
        evaluation.report = evaluation.report.phase(name, time.as_secs_f64());
    }

    print!("{evaluation}");
    println!();
    for (name, time) in phases.done() {
        println!("{name:<28} {:>8.1} s", time.as_secs_f64());
    }
    if let Some(path) = &options.json {
        fs::write(path, evaluation.to_json()).map_err(|error| in_place(path, error))?;
    }
    if let Some(path) = &options.html {
        let parts: Vec<_> = first.parts.iter().zip(&bench.truths).collect();
        let page = evaluation.to_html(&options.title(), &parts);
        fs::write(path, page).map_err(|error| in_place(path, error))?;
    }
    if let Some(path) = &options.report {
        let page = phases.run("report", |_| bench.page(first, &options.title()))?;
        fs::write(path, page).map_err(|error| in_place(path, error))?;
    }
    if let Some(directory) = &options.scores {
        first.val.write_scores(directory.join("val.csv"))?;
        first.parts[0].write_scores(directory.join("test.csv"))?;
    }
    Ok(())
}

/// Whether a file can be written; one that is there stays as it is until there is something to put in its place.
fn try_to_write(path: &Path) -> std::io::Result<()> {
    let is_new = !path.exists();
    fs::OpenOptions::new().append(true).create(true).open(path)?;
    if is_new { fs::remove_file(path) } else { Ok(()) }
}

/// What was read, and everything is measured on.
struct Bench {
    config: SessionConfig,
    inputs: Inputs,
    truths: Vec<Truth>,
    train: Vec<Session>,
    val: Vec<Session>,
}

/// What one detector or baseline said of everything.
struct Run {
    /// The detector, at the smallest budget that it promises.
    detector: Option<Arc<Detector>>,
    val: JudgedCapture,
    parts: Vec<JudgedCapture>,
    /// What the alerts at each budget that is promised come to.
    incidents: Vec<IncidentReport>,
}

impl Bench {
    fn read(options: &Options, phases: &mut Phases) -> Result<Self> {
        let (config, inputs) = (SessionConfig::default(), options.inputs()?);
        let truths = phases.run("read labels", |_| {
            inputs.parts.iter().map(|part| part.truth(options.strict, &config)).collect::<Result<Vec<_>>>()
        })?;
        let train = phases.run("read train", |_| inputs.train.sessions(&config))?;
        let val = phases.run("read val", |_| inputs.val.sessions(&config))?;
        Ok(Self { config, inputs, truths, train, val })
    }

    /// Fits the detector on these sessions, of which it assumes that share to be attacks, calibrates it, and judges everything.
    fn run(&self, train: &[Session], share: f64, options: &Options, seed: u64, phases: &mut Phases) -> Result<Run> {
        let detector = phases.run(&format!("fit, seed {seed}"), |bar| {
            // Each budget is asked of the calibration later; none must keep a small recording from being judged.
            let mut recipe = Detector::recipe().false_positive_rate(0.5).seed(seed).contamination(share);
            if let Some(heads) = &options.heads {
                recipe = recipe.heads(heads)?;
            }
            recipe.fit_on(train, &self.val, |progress| {
                bar.fit(progress);
                ControlFlow::Continue(())
            })
        })?;
        let detector = Arc::new(detector.with_threads(0));
        let (val, parts) = phases.run(&format!("judge, seed {seed}"), |bar| {
            let judge = |recording| JudgedCapture::of_recording(&detector, recording, &self.config, frames(bar));
            let parts = self.inputs.parts.iter().map(|part| judge(&part.recording)).collect::<Result<_>>()?;
            Ok((judge(&self.inputs.val)?, parts))
        })?;
        let incidents = phases.run(&format!("group, seed {seed}"), |_| self.incidents(&detector))?;
        let strictest = promised(&detector).pop();
        Ok(Run { detector: Some(strictest.map_or(detector, Arc::new)), val, parts, incidents })
    }

    /// What the alerts of a detector come to at each budget that it promises, at the smallest rate that it can where that is none.
    fn incidents(&self, detector: &Detector) -> Result<Vec<IncidentReport>> {
        let sessions = self.sessions()?;
        let mut reports = Vec::new();
        for detector in promised(detector) {
            let mut report = IncidentReport::new(&detector);
            for (sessions, truth) in sessions.iter().zip(&self.truths) {
                report.add(sessions, &detector.judge_all(sessions)?, &IncidentConfig::default(), truth)?;
            }
            reports.push(report);
        }
        Ok(reports)
    }

    /// The sessions of each part that is judged.
    fn sessions(&self) -> Result<Vec<Vec<Session>>> {
        self.inputs.parts.iter().map(|part| part.recording.sessions(&self.config)).collect()
    }

    /// What happened in the first capture that is judged, as a page.
    fn page(&self, run: &Run, title: &str) -> Result<String> {
        let (Some(detector), Some(part)) = (&run.detector, self.inputs.parts.first()) else { return Ok(String::new()) };
        let (mut page, mut input) = (nf_core::report::Report::new(title), MonitorStats::default());
        for capture in part.recording.captures() {
            let mut monitor = Monitor::new(detector.clone(), &self.config)?;
            let mut capture = capture?;
            while let Some(frame) = capture.next_frame()? {
                monitor.push(&frame);
                if capture.frames().is_multiple_of(4096) {
                    std::iter::from_fn(|| monitor.pop()).for_each(|event| page.note(&event));
                }
            }
            monitor.finish();
            std::iter::from_fn(|| monitor.pop()).for_each(|event| page.note(&event));
            input = monitor.stats();
        }
        page.to_html(detector, &input)
    }

    fn report(&self, run: &Run) -> Report {
        let parts: Vec<_> = run.parts.iter().zip(&self.truths).collect();
        Report::new(&run.val, &parts)
    }

    fn comparison(&self, options: &Options, ours: &Report, phases: &mut Phases) -> Result<Option<Comparison>> {
        let mut comparison = Comparison::new();
        for name in &options.baselines {
            let run = phases.run(name, |bar| {
                let (train, val) = (&self.inputs.train, &self.inputs.val);
                let baseline = Baseline::fit(name, train, val, &self.config, options.seed, frames(bar))?;
                let judge = |part: &Part| baseline.judge(&part.recording, frames(bar));
                let parts = self.inputs.parts.iter().map(judge).collect::<Result<_>>()?;
                Ok(Run { detector: None, val: baseline.val().clone(), parts, incidents: Vec::new() })
            })?;
            comparison = comparison.with(name, &self.report(&run));
        }
        Ok((!options.baselines.is_empty()).then(|| comparison.with("this detector", ours)))
    }

    fn contamination(
        &self,
        options: &Options,
        clean: &[(u64, Run)],
        phases: &mut Phases,
    ) -> Result<Vec<ContaminationReport>> {
        if options.contaminate.is_empty() {
            return Ok(Vec::new());
        }
        let Sorted { attacks, .. } = self.judged_sessions()?;
        let mut reports = Vec::new();
        for &share in &options.contaminate {
            let mut report: Option<ContaminationReport> = None;
            for (seed, clean) in clean {
                let mixed = contaminate(&self.train, &attacks, share, *seed)?;
                let dirty =
                    self.run(&mixed.sessions, options.contamination.unwrap_or(share), options, *seed, phases)?;
                let so_far = report.unwrap_or_else(|| ContaminationReport::new(share, &mixed.attacks));
                report = Some(so_far.with(&self.report(clean), &self.report(&dirty)));
            }
            reports.extend(report);
        }
        Ok(reports)
    }

    fn shortcuts(&self, phases: &mut Phases) -> Result<Option<Shortcuts>> {
        let Sorted { benign, attacks } = phases.run("read sessions to probe", |_| self.judged_sessions())?;
        if attacks.is_empty() {
            return Ok(None);
        }
        phases.run("probe columns", |_| Shortcuts::probe(&benign, &attacks)).map(Some)
    }

    fn explanations(&self, run: &Run, phases: &mut Phases) -> Result<Option<ExplanationCheck>> {
        let Some(detector) = &run.detector else { return Ok(None) };
        phases.run("explain alerts", |_| {
            let mut check = ExplanationCheck::new(detector);
            for (part, truth) in self.inputs.parts.iter().zip(&self.truths) {
                check.add(&part.recording.sessions(&self.config)?, truth)?;
            }
            Ok(Some(check))
        })
    }

    /// The benign sessions of what is judged, and the attacks with their kinds.
    fn judged_sessions(&self) -> Result<Sorted> {
        let Sorted { mut benign, mut attacks } = Sorted::default();
        for (part, truth) in self.inputs.parts.iter().zip(&self.truths) {
            for session in part.recording.sessions(&self.config)? {
                match truth.label_session(&session) {
                    Label::Benign => benign.push(session),
                    Label::Attack { category, .. } => attacks.push((category.to_owned(), session)),
                    Label::AttackerOther => {}
                }
            }
        }
        Ok(Sorted { benign, attacks })
    }
}

/// Sessions of known truth.
#[derive(Default)]
struct Sorted {
    benign: Vec<Session>,
    /// With their kinds.
    attacks: Vec<(String, Session)>,
}

/// Shows how many frames were read.
fn frames(bar: &Bar) -> impl FnMut(u64) {
    |frames| bar.set(None, || format!("{frames} frames"))
}

impl Options {
    /// The options, or `None` where help was asked for.
    fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let mut options = Self { seed: 7, seeds: 1, ..Self::default() };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("corpus") => options.corpus = Some(parser.value()?.string()?),
                Long("split") => options.split = Some(parser.value()?.string()?),
                Long("calibrate") => options.calibrate = Some(parser.value()?.string()?),
                Long("train") => options.train.push(parser.value()?.into()),
                Long("val") => options.val.push(parser.value()?.into()),
                Long("test") => options.test = Some(parser.value()?.into()),
                Long("labels") => options.labels = Some(parser.value()?.into()),
                Long("packet-labels") => {
                    let (path, column) = parted(parser.value()?.string()?, ':', "--packet-labels", "FILE:COLUMN")?;
                    options.packet_labels = Some((path.into(), column));
                }
                Long("attackers") => options.attackers = Some(parser.value()?.into()),
                Long("attack" | "attacks") => {
                    let (name, path) = parted(parser.value()?.string()?, '=', "--attack", "NAME=CAPTURE")?;
                    options.attacks.push((name, path.into()));
                }
                Long("heads") => {
                    options.heads = Some(names(&parser.value()?.string()?, Recipe::available_heads()));
                }
                Long("strict") => options.strict = true,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Long("seeds") => options.seeds = parser.value()?.parse()?,
                Long("baselines") => {
                    let value = parser.optional_value().map_or_else(|| Ok("all".to_owned()), |value| value.string())?;
                    options.baselines = names(&value, Baseline::names());
                }
                Long("contaminate") => options.contaminate.push(parser.value()?.parse()?),
                Long("contamination") => options.contamination = Some(parser.value()?.parse()?),
                Long("json") => options.json = Some(parser.value()?.into()),
                Long("html") => options.html = Some(parser.value()?.into()),
                Long("report") => options.report = Some(parser.value()?.into()),
                Long("scores") => options.scores = Some(parser.value()?.into()),
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(argument.unexpected()),
            }
        }
        options.check()?;
        Ok(Some(options))
    }

    fn check(&self) -> Result<(), lexopt::Error> {
        if self.seeds == 0 {
            return Err("--seeds is 0, it must be at least 1".into());
        }
        if let Some(share) = self.contaminate.iter().find(|share| !(**share > 0.0 && **share <= 0.5)) {
            return Err(format!("--contaminate is {share}, it must be above 0 and at most 0.5").into());
        }
        let own = [("--train", !self.train.is_empty()), ("--test", self.test.is_some())];
        let missing: Vec<&str> = own.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
        let named = self.corpus.is_some() || self.split.is_some() || self.calibrate.is_some();
        let labels = [
            ("--labels", self.labels.is_some()),
            ("--packet-labels", self.packet_labels.is_some()),
            ("--attackers", self.attackers.is_some()),
        ];
        if let (None, Some((name, _))) = (&self.test, labels.iter().find(|(_, given)| *given)) {
            return Err(format!("{name} is of --test, which must be given too").into());
        }
        match missing.len() {
            0 if named => Err("--corpus, --split and --calibrate do not go with captures of one's own".into()),
            0 | 2 => Ok(()),
            _ => Err(format!("{} must be given too", missing.join(" and ")).into()),
        }
    }

    /// The name of what is judged.
    fn title(&self) -> String {
        let of = |name: &Option<String>, default: &str| name.clone().unwrap_or_else(|| default.to_owned());
        match &self.test {
            Some(test) => test.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            None => format!("{}, {}", of(&self.corpus, "lab"), of(&self.split, "test")),
        }
    }

    fn inputs(&self) -> Result<Inputs> {
        let of = |name: &Option<String>, default: &str| name.clone().unwrap_or_else(|| default.to_owned());
        let val = (!self.val.is_empty()).then(|| Recording::of(&self.val));
        let mut inputs = match &self.test {
            None => Inputs::corpus(&of(&self.corpus, "lab"), &of(&self.split, "test"), &of(&self.calibrate, "val"))?,
            Some(test) => {
                let source = match (&self.labels, &self.packet_labels) {
                    (Some(labels), _) => TruthSource::Labels(labels.clone(), self.attackers.clone()),
                    (None, Some((path, column))) => TruthSource::Packets(path.clone(), column.clone()),
                    (None, None) => TruthSource::Benign,
                };
                let test = Part::new("test", Recording::new(test), source);
                Inputs::of(Recording::of(&self.train), val.clone(), Some(test))?
            }
        };
        inputs.val = val.unwrap_or(inputs.val);
        for (name, path) in &self.attacks {
            inputs.add_attack(name, path);
        }
        Ok(inputs)
    }
}

/// The two parts of a value that a sign stands between.
fn parted(value: String, sign: char, option: &str, form: &str) -> Result<(String, String), lexopt::Error> {
    // A path may hold the sign, a name does not: the column stands behind the last, the name before the first.
    let parts = if sign == ':' { value.rsplit_once(sign) } else { value.split_once(sign) };
    let (name, rest) = parts.ok_or_else(|| format!("{option} is \"{value}\", it must be {form}"))?;
    Ok((name.to_owned(), rest.to_owned()))
}

/// Names between commas, or all there are.
fn names(value: &str, all: impl Iterator<Item = &'static str>) -> Vec<String> {
    match value {
        "all" => all.map(str::to_owned).collect(),
        names => names.split(',').map(str::to_owned).collect(),
    }
}
