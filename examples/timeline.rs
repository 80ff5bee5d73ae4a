//! Whether a second transformer would earn its place: one that reads the last sessions of a source, or of a pair of hosts, as a
//! sequence of vectors and of the gaps between them, and says how strange the last is after those before it.
//!
//! A session's vector is the columns that the head `session` reads, or the latent of a transformer over its packets, or both. The
//! second transformer is causal: it learns to tell each session from those before. It is judged alone and beside the heads of the
//! default detector, at every look, with what adds up over the sessions of a pair, as a head of the detector would be. A timeline
//! knows what was known by then: of each session its last look. Fits on the lab corpus, calibrates on val and judges test.

use nf_core::{
    Calibration, Column, Detector, FeatureSpec, Model, Progress, Result, Rows, Scaler, Schema, Session, SessionConfig,
    Timestamp, Transformer,
    evaluate::{Label, LabelledScores, Recording, empirical_threshold},
    evidence::{Accumulator, EvidenceConfig},
    model::{Objective, TransformerParams, TransformerScore},
};
use nf_examples::{Bar, Inputs, Phases, exit};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    ops::ControlFlow,
    process::ExitCode,
    sync::Arc,
};

const USAGE: &str = "\
usage: timeline [--seeds N] [--only TEXT] [--steps N] [--weight W] [--every N] [--epochs N]

Prints a table. --seeds: how many, each in rows of its own (1). --only: the variants whose names hold TEXT. --steps: most sessions
of a timeline (16). --weight: what it counts beside the default heads (0.3). --every: fits the transformers on every Nth session
(4). --epochs: of their training (5).
The lab corpus is read from $NF_DATA/lab where NF_DATA is set, else from the cut that comes with the examples.";

/// Packets of a session that the first transformer reads.
const PACKETS: u32 = 32;

/// Least scale of a column's errors, in its standard deviations, as the autoencoder has it.
const LEAST_SCALE: f64 = 0.05;

/// The kind of attack that the default detector does not find all of.
const BEACON: &str = "c2_beacon";

const COLUMNS: &str = "seed | timeline of | a session is | strange is | heads | macro AUROC | macro recall at 1 % | at 0.1 % | \
    realised FPR at 1 % | at 0.1 % | macro recall where 0.1 % of test alert | c2_beacon: AUROC | recall at 0.1 %";

/// What a session may be in a timeline.
const VECTORS: [&str; 3] = [COLUMN_VECTORS, LATENT_VECTORS, "both"];
const COLUMN_VECTORS: &str = "its columns";
const LATENT_VECTORS: &str = "its packets' latent";

/// Whose timelines there are.
const KEYS: [(&str, KeyOf); 2] = [("a pair", pair), ("a source", source)];

struct Options {
    seeds: u64,
    only: String,
    steps: usize,
    weight: f64,
    every: usize,
    epochs: u32,
}

/// Whose timeline a session stands in: of its source, or of its source and its destination.
type Key = (IpAddr, Option<IpAddr>);
type KeyOf = fn(&Session) -> Key;

/// A session as it was at a look.
struct Look {
    session: Session,
    /// Which session of the recording it is of.
    place: usize,
    /// Whether it is the one look at its session that is fitted on: each look in turn.
    drawn: bool,
}

/// Scores of the looks at the recording calibrated on, and at the one with attacks.
type Scores = [Vec<f32>; 2];

/// All looks at the sessions of a recording, in the order in which they became known.
struct Part {
    looks: Vec<Look>,
    sessions: usize,
}

/// What is judged: the recording calibrated on, and one with attacks.
struct Judged {
    val: Part,
    test: Part,
    /// What each session of `test` is: a kind of attack, or benign; `None` where it does not count.
    labels: Vec<Option<Option<String>>>,
}

fn main() -> ExitCode {
    exit("timeline", run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let mut options = Options { seeds: 1, only: String::new(), steps: 16, weight: 0.3, every: 4, epochs: 5 };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seeds") => options.seeds = parser.value()?.parse()?,
            Long("only") => options.only = parser.value()?.string()?,
            Long("steps") => options.steps = parser.value()?.parse()?,
            Long("weight") => options.weight = parser.value()?.parse()?,
            Long("every") => options.every = parser.value()?.parse()?,
            Long("epochs") => options.epochs = parser.value()?.parse()?,
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    if options.steps == 0 || options.every == 0 {
        return Err("--steps and --every must be at least 1".into());
    }
    Ok(compare(&options)?)
}

fn compare(options: &Options) -> Result<()> {
    let config = SessionConfig::default();
    let inputs = Inputs::corpus("lab", "test", "val")?;
    let truth = inputs.parts[0].truth(true, &config)?;
    let read = |recording: &Recording| recording.sessions(&config);
    let (train, val, test) = (read(&inputs.train)?, read(&inputs.val)?, read(&inputs.parts[0].recording)?);
    let label = |session| match truth.label_session(session) {
        Label::AttackerOther => None,
        label => Some(label.category().map(str::to_owned)),
    };
    let labels = test.iter().map(label).collect();
    let judged = Judged { val: Part::new(&val), test: Part::new(&test), labels };
    let parts = [&Part::new(&train), &judged.val, &judged.test];
    let mut phases = Phases::default();
    println!("| {COLUMNS} |\n|{}", "---|".repeat(COLUMNS.split(" | ").count()));
    for seed in 1..=options.seeds {
        let recipe = Detector::recipe().session_config(&config).false_positive_rate(0.5).seed(seed);
        let detector = phases.run("default", |bar| recipe.fit_on(&train, &val, watch(bar)))?;
        let default = [judged.val.scores(&detector)?, judged.test.scores(&detector)?];
        println!("| {seed} | - | - | - | default | {} |", judged.figures(&default)?);
        for is in VECTORS {
            let keys: Vec<_> = KEYS.iter().filter(|(of, _)| format!("{of}, {is}").contains(&options.only)).collect();
            if keys.is_empty() {
                continue;
            }
            let vectors = phases.run(is, |bar| vectors(is, parts, seed, options, bar))?;
            for (of, key) in keys {
                let name = format!("{of}, {is}");
                let scores = phases.run(&name, |bar| timeline_scores(parts, &vectors, *key, seed, options, bar))?;
                for (strange, scores) in scores {
                    println!("| {seed} | {of} | {is} | {strange} | alone | {} |", judged.figures(&scores)?);
                    let scores = beside_default(&default, &scores, options.weight)?;
                    println!("| {seed} | {of} | {is} | {strange} | with default | {} |", judged.figures(&scores)?);
                }
            }
        }
    }
    Ok(())
}

/// What a transformer over timelines finds strange, by error and by density.
fn timeline_scores(
    parts: [&Part; 3],
    vectors: &[Rows; 3],
    key: KeyOf,
    seed: u64,
    options: &Options,
    bar: &Bar,
) -> Result<[(&'static str, Scores); 2]> {
    let timelines = |i: usize| parts[i].timelines(&vectors[i], key, options.steps);
    let fitted = timelines(0)?.select(parts[0].drawn(options.every));
    let model = fit(Transformer::params().objective(Objective::NextPacket), &fitted, seed, options, bar)?;
    let (scales, val, test) = (scales(&model, &fitted)?, timelines(1)?, timelines(2)?);
    let error = [last_errors(&model, &val, &scales)?, last_errors(&model, &test, &scales)?];
    Ok([("error", error), ("density", [model.score(&val)?, model.score(&test)?])])
}

fn watch(bar: &Bar) -> impl FnMut(&Progress) -> ControlFlow<()> {
    |progress| {
        bar.fit(progress);
        ControlFlow::Continue(())
    }
}

fn fit(params: TransformerParams, rows: &Rows, seed: u64, options: &Options, bar: &Bar) -> Result<Transformer> {
    let params = params.score(TransformerScore::Density).epochs(options.epochs).seed(seed);
    params.fit_with(rows, &mut watch(bar))
}

fn source(session: &Session) -> Key {
    (session.key().orig.addr, None)
}

fn pair(session: &Session) -> Key {
    (session.key().orig.addr, Some(session.key().resp.addr))
}

/// The vectors of each part that a name of [`VECTORS`] stands for: one a look.
fn vectors(is: &str, parts: [&Part; 3], seed: u64, options: &Options, bar: &Bar) -> Result<[Rows; 3]> {
    match is {
        COLUMN_VECTORS => columns(parts),
        LATENT_VECTORS => latents(parts, seed, options, bar),
        _ => beside(&columns(parts)?, &latents(parts, seed, options, bar)?),
    }
}

/// Each look as the columns of the head `session`, on one scale.
fn columns(parts: [&Part; 3]) -> Result<[Rows; 3]> {
    let spec = FeatureSpec::flow().and(FeatureSpec::context())?;
    let [train, val, test] = parts.map(|part| part.extract(&spec));
    on_one_scale([train?, val?, test?])
}

/// Each look as the latent of a transformer over its packets, on one scale.
fn latents(parts: [&Part; 3], seed: u64, options: &Options, bar: &Bar) -> Result<[Rows; 3]> {
    let spec = FeatureSpec::packets(PACKETS);
    let fitted = parts[0].extract(&spec)?.select(parts[0].drawn(options.every));
    let model = fit(Transformer::params(), &fitted, seed, options, bar)?;
    let width = Transformer::params().d_model;
    let schema = schema("latent", (0..width).map(|i| format!("latent {i}")))?;
    let latents = |part: &Part| Rows::flat(schema.clone(), model.embed(&part.extract(&spec)?)?);
    let [train, val, test] = parts.map(latents);
    on_one_scale([train?, val?, test?])
}

/// The scale is that of the first.
fn on_one_scale(parts: [Rows; 3]) -> Result<[Rows; 3]> {
    let scaler = Scaler::fit(&parts[0])?;
    let [train, val, test] = parts.map(|rows| scaler.apply(rows));
    Ok([train?, val?, test?])
}

/// The columns of both, side by side.
fn beside(left: &[Rows; 3], right: &[Rows; 3]) -> Result<[Rows; 3]> {
    let names = |rows: &Rows| rows.schema().columns().iter().map(|column| column.name.to_string()).collect::<Vec<_>>();
    let schema = schema("both", [names(&left[0]), names(&right[0])].concat())?;
    let join = |i: usize| {
        let (left, right) = (&left[i], &right[i]);
        let data = (0..left.len()).flat_map(|row| left.row(row).iter().chain(right.row(row)).copied());
        Rows::flat(schema.clone(), data.collect())
    };
    Ok([join(0)?, join(1)?, join(2)?])
}

fn schema(name: &'static str, columns: impl IntoIterator<Item = String>) -> Result<Arc<Schema>> {
    let columns = columns.into_iter().map(|name| Column::new(name, "", "")).collect();
    Ok(Arc::new(Schema::new(name, columns)?))
}

impl Part {
    fn new(sessions: &[Session]) -> Self {
        let mut looks = Vec::new();
        for (place, session) in sessions.iter().enumerate() {
            let count = session.looks().len() + 1;
            let at = |look| Look { session: session.at_look(look), place, drawn: look == place % count };
            looks.extend((0..count).map(at));
        }
        looks.sort_by_key(|look| look.session.known());
        Self { looks, sessions: sessions.len() }
    }

    fn extract(&self, spec: &FeatureSpec) -> Result<Rows> {
        spec.extract(self.looks.iter().map(|look| &look.session))
    }

    /// The places of one look at every `every`th session.
    fn drawn(&self, every: usize) -> impl Iterator<Item = usize> {
        let looks = self.looks.iter().enumerate();
        looks.filter(move |(_, look)| look.drawn && look.place.is_multiple_of(every)).map(|(i, _)| i)
    }

    /// What the heads of a detector together say of each look, before anything adds up.
    fn scores(&self, detector: &Detector) -> Result<Vec<f32>> {
        self.looks.iter().map(|look| Ok(detector.judge(&look.session)?.score)).collect()
    }

    /// Before each look the last sessions of its key, itself the last of at most `steps`: each as it was known by then, with the
    /// time from the start of the one before.
    fn timelines(&self, vectors: &Rows, key: KeyOf, steps: usize) -> Result<Rows> {
        let names = vectors.schema().columns().iter().map(|column| column.name.to_string());
        let schema = schema("timeline", ["gap".to_owned()].into_iter().chain(names))?;
        let mut known: HashMap<Key, VecDeque<usize>> = HashMap::new();
        let mut data = vec![0.0; self.looks.len() * steps * schema.width()];
        let mut lengths = Vec::with_capacity(self.looks.len());
        for ((i, look), row) in self.looks.iter().enumerate().zip(data.chunks_exact_mut(steps * schema.width())) {
            let timeline = known.entry(key(&look.session)).or_default();
            timeline.retain(|&other| self.looks[other].place != look.place);
            if timeline.len() == steps {
                timeline.pop_front();
            }
            timeline.push_back(i);
            let mut before: Option<Timestamp> = None;
            for (&i, step) in timeline.iter().zip(row.chunks_exact_mut(schema.width())) {
                let start = self.looks[i].session.start();
                step[0] = before.map_or(0.0, |before| gap(start.since(before).as_secs_f64()));
                step[1..].copy_from_slice(vectors.row(i));
                before = Some(start);
            }
            lengths.push(timeline.len() as u32);
        }
        Rows::sequences(schema, steps, data, lengths)
    }

    /// Scores of the looks, added up over the sessions of each pair as the detector does.
    fn added_up(&self, scores: &[f32]) -> Result<Vec<f32>> {
        let mut evidence = Accumulator::new(EvidenceConfig::default())?;
        let mut add = |(look, score): (&Look, &f32)| evidence.add(look.place as u64, &look.session, *score).score;
        Ok(self.looks.iter().zip(scores).map(&mut add).collect())
    }

    /// The score of each session: that of its strangest look.
    fn strangest(&self, scores: &[f32]) -> Vec<f32> {
        let mut strangest = vec![f32::NEG_INFINITY; self.sessions];
        for (look, score) in self.looks.iter().zip(scores) {
            strangest[look.place] = strangest[look.place].max(*score);
        }
        strangest
    }
}

/// Seconds on about the scale of the other columns: 0 up to a microsecond, 3 at a second.
fn gap(seconds: f64) -> f32 {
    ((1.0 + seconds * 1e6).log10() / 2.0) as f32
}

/// The squared errors of the last step of each row, column by column.
fn squared_errors(model: &Transformer, rows: &Rows) -> Result<Vec<f64>> {
    let expected = model.expected(rows)?.unwrap_or_default();
    let (width, size) = (rows.width(), rows.steps() * rows.width());
    let mut errors = Vec::with_capacity(rows.len() * width);
    for (i, &length) in rows.lengths().iter().enumerate() {
        let last = (length as usize).saturating_sub(1) * width;
        let pairs = rows.row(i)[last..][..width].iter().zip(&expected[i * size + last..]);
        errors.extend(pairs.map(|(value, expected)| f64::from(value - expected).powi(2)));
    }
    Ok(errors)
}

/// The mean squared error of each column of the last steps.
fn scales(model: &Transformer, rows: &Rows) -> Result<Vec<f64>> {
    let mut scales = vec![0.0; rows.width()];
    for errors in squared_errors(model, rows)?.chunks_exact(rows.width()) {
        scales.iter_mut().zip(errors).for_each(|(sum, error)| *sum += error / rows.len() as f64);
    }
    Ok(scales.into_iter().map(|scale| scale.max(LEAST_SCALE * LEAST_SCALE)).collect())
}

/// The logarithm of the mean squared error of each row's last step, each column's in units of what it is in training.
fn last_errors(model: &Transformer, rows: &Rows, scales: &[f64]) -> Result<Vec<f32>> {
    let mean = |errors: &[f64]| errors.iter().zip(scales).map(|(error, scale)| error / scale).sum::<f64>();
    let errors = squared_errors(model, rows)?;
    Ok(errors.chunks_exact(scales.len()).map(|errors| (mean(errors) / scales.len() as f64).ln() as f32).collect())
}

/// The default heads and one more, its surprise calibrated on val.
fn beside_default(default: &Scores, scores: &Scores, weight: f64) -> Result<Scores> {
    let calibration = Calibration::fit(&scores[0])?;
    let add = |(own, score): (&f32, &f32)| (f64::from(*own) + weight * calibration.surprise(*score)) as f32;
    Ok([0, 1].map(|i| default[i].iter().zip(&scores[i]).map(add).collect()))
}

impl Judged {
    /// The cells of a row of the table.
    fn figures(&self, [val, test]: &Scores) -> Result<String> {
        let val = self.val.strangest(&self.val.added_up(val)?);
        let test = self.test.strangest(&self.test.added_up(test)?);
        let mut scores = LabelledScores::default();
        for (label, score) in self.labels.iter().zip(test) {
            if let Some(kind) = label {
                scores.push(kind.as_deref(), score);
            }
        }
        let cut = |benign: &[f32], rate| Some(scores.cut(empirical_threshold(benign, rate)?, 0.0));
        let (percent, permille) = (cut(&val, 0.01), cut(&val, 0.001));
        let beacons = permille.as_ref().and_then(|cut| cut.recall.get(BEACON).copied());
        let figures = [
            (scores.macro_auroc(), 4),
            (percent.as_ref().and_then(|cut| cut.macro_recall), 3),
            (permille.as_ref().and_then(|cut| cut.macro_recall), 3),
            (percent.and_then(|cut| cut.fpr).map(|share| 100.0 * share), 2),
            (permille.and_then(|cut| cut.fpr).map(|share| 100.0 * share), 2),
            (cut(&scores.benign, 0.001).and_then(|cut| cut.macro_recall), 3),
            (scores.auroc().get(BEACON).copied(), 4),
            (beacons, 3),
        ];
        let cell = |(figure, digits): (Option<f64>, usize)| match figure {
            Some(figure) => format!("{figure:.digits$}"),
            None => "-".to_owned(),
        };
        Ok(figures.map(cell).join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nf_core::Capture;
    use nf_tests::{PcapWriter, eth};
    use std::io::Cursor;

    /// Sessions of three packets 5 s apart, so that each is looked at in silence, from the hosts named, 100 s apart.
    fn part(hosts: &[u8]) -> Part {
        let mut capture = PcapWriter::new();
        for (i, host) in hosts.iter().enumerate() {
            let datagram = eth().ipv4([10, 0, 0, *host], [10, 0, 0, 9]).udp(1000 + i as u16, 9).payload(b"x").build();
            for packet in 0..3 {
                capture = capture.packet((i as u64 * 100 + packet * 5) * 1_000_000_000, &datagram);
            }
        }
        let capture = Capture::from_reader(Cursor::new(capture.finish())).expect("a capture");
        let sessions = capture.sessions(&SessionConfig::default()).expect("sessions");
        Part::new(&sessions.collect().expect("sessions"))
    }

    #[test]
    fn a_timeline_is_what_was_known_of_other_sessions_and_the_look_itself() {
        let part = part(&[1, 2, 1, 1]);
        assert!(part.looks.len() > part.sessions, "{} looks", part.looks.len());
        let vectors = (0..part.looks.len()).map(|i| i as f32).collect();
        let vectors = Rows::flat(schema("places", ["place".to_owned()]).expect("a schema"), vectors).expect("rows");
        let rows = part.timelines(&vectors, pair, 2).expect("timelines");
        for (i, look) in part.looks.iter().enumerate() {
            let steps: Vec<&[f32]> = rows.row(i).chunks_exact(2).take(rows.lengths()[i] as usize).collect();
            assert_eq!(steps[steps.len() - 1][1], i as f32, "the look itself is the last");
            let (source, earlier) = (look.session.key().orig.addr, [0, 0, 0, 2][look.place]);
            assert_eq!(steps.len(), if look.place < 2 { 1 } else { 2 }, "{source} at {}", look.place);
            assert_eq!(steps[0][0], 0.0);
            if look.place >= 2 {
                let before = &part.looks[steps[0][1] as usize];
                let last = part.looks.iter().rposition(|other| other.place == earlier);
                assert_eq!((before.place, last), (earlier, Some(steps[0][1] as usize)), "its last look");
                assert_eq!(steps[1][0], gap(if earlier == 0 { 200.0 } else { 100.0 }));
            }
        }
    }

    #[test]
    fn one_look_at_each_session_is_fitted_on() {
        let part = part(&[1, 2, 1, 1, 2]);
        let places: Vec<usize> = part.drawn(2).map(|i| part.looks[i].place).collect();
        assert_eq!(places, [0, 2, 4]);
    }
}
