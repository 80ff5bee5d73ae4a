//! What each part of the default detector is worth: every head alone and left out, ways of adding up over sessions, groups of
//! columns left out. Fits on the lab corpus, calibrates on val and judges test, with several seeds each.

use nf_core::{
    Detector, Error, FeatureSpec, Result, Session, SessionConfig,
    detector::Recipe,
    evaluate::{JudgedCapture, Report, Truth},
    evidence::{EvidenceConfig, EvidenceKey},
    session::Looks,
};
use nf_examples::{FIGURES, Inputs, Part, Phases, exit, figures};
use std::{ops::ControlFlow, process::ExitCode, sync::Arc};

const USAGE: &str = "\
usage: ablation [--seeds N] [--only TEXT] [--calibrate val|val-long]

Prints a table: means over N seeds (3) with the least and the most. --only: the variants whose names hold TEXT.
The lab corpus is read from $NF_DATA/lab where NF_DATA is set, else from the cut that comes with the examples.";

/// Groups of columns by what they look at: the starts of their names.
const GROUPS: &[(&str, &[&str])] = &[
    ("DNS", &["dns_", "domain_"]),
    ("source counters", &["source_"]),
    ("pair counters", &["pair_", "host_pair_", "service_"]),
    ("destination counters", &["destination_", "port_hosts"]),
    ("all but context of the session itself", &["source_", "pair_", "host_pair_", "service_", "destination_", "port_"]),
];

type Variant = (String, Recipe, SessionConfig);

fn main() -> ExitCode {
    exit("ablation", run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let (mut seeds, mut only, mut calibrate) = (3, String::new(), "val".to_owned());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seeds") => seeds = parser.value()?.parse()?,
            Long("only") => only = parser.value()?.string()?,
            Long("calibrate") => calibrate = parser.value()?.string()?,
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    if seeds == 0 {
        return Err("--seeds is 0, it must be at least 1".into());
    }
    let inputs = Inputs::corpus("lab", "test", &calibrate)?;
    let truth = |part: &Part| part.truth(true, &SessionConfig::default());
    let truths = inputs.parts.iter().map(truth).collect::<Result<Vec<Truth>>>()?;
    let read = |config: &SessionConfig| {
        Ok::<[Vec<Session>; 2], Error>([inputs.train.sessions(config)?, inputs.val.sessions(config)?])
    };
    let mut sessions: Option<(SessionConfig, [Vec<Session>; 2])> = None;
    let mut phases = Phases::default();
    println!("| variant | {FIGURES} |\n|---|---|---|---|---|---|---|---|");
    for (name, recipe, config) in variants()?.into_iter().filter(|(name, ..)| name.contains(&only)) {
        if sessions.as_ref().is_none_or(|(read, _)| *read != config) {
            sessions = Some((config.clone(), read(&config)?));
        }
        let Some((_, [train, val])) = &sessions else { continue };
        let mut reports = Vec::new();
        for seed in 1..=seeds {
            let recipe = recipe.clone().session_config(&config).false_positive_rate(0.5).seed(seed);
            let report = phases.run(&format!("{name}, seed {seed}"), |bar| {
                let watch = |progress: &nf_core::Progress| {
                    bar.fit(progress);
                    ControlFlow::Continue(())
                };
                let detector = Arc::new(recipe.fit_on(train, val, watch)?.with_threads(0));
                let judge = |recording| JudgedCapture::of_recording(&detector, recording, &config, |_| {});
                let parts = inputs.parts.iter().map(|part| judge(&part.recording)).collect::<Result<Vec<_>>>()?;
                Ok(Report::new(&judge(&inputs.val)?, &parts.iter().zip(&truths).collect::<Vec<_>>()))
            })?;
            reports.push((seed, report));
        }
        println!("| {name} | {} |", figures(reports));
    }
    Ok(())
}

/// The default recipe and everything it is compared with.
fn variants() -> Result<Vec<Variant>> {
    let default = Detector::recipe();
    let mut variants: Vec<(String, Recipe)> = vec![("default".to_owned(), default.clone())];
    let names: Vec<&str> = Recipe::available_heads().collect();
    let chosen: Vec<&str> = Recipe::default_heads().collect();
    for name in &names {
        variants.push((format!("head {name} alone"), default.clone().heads(&[name])?));
    }
    for name in &chosen {
        let others: Vec<&&str> = chosen.iter().filter(|other| *other != name).collect();
        variants.push((format!("without head {name}"), default.clone().heads(&others)?));
    }
    for name in names.iter().filter(|name| !chosen.contains(name)) {
        variants.push((format!("with head {name}"), default.clone().heads(&[&chosen[..], &[name]].concat())?));
    }
    let evidence = |keys: &[EvidenceKey]| {
        let mut config = EvidenceConfig::default();
        config.keys = keys.to_vec();
        default.clone().evidence(config)
    };
    variants.push(("each session by itself".to_owned(), default.clone().evidence(None)));
    variants.push(("evidence by source, class and outcome".to_owned(), evidence(&[EvidenceKey::Activity])));
    let both = [EvidenceKey::Pair, EvidenceKey::Activity];
    variants.push(("evidence by pair and by source, class and outcome".to_owned(), evidence(&both)));
    let columns = |spec: FeatureSpec| -> Vec<String> {
        spec.schema().columns().iter().map(|column| column.name.to_string()).collect()
    };
    variants
        .push(("without flow statistics".to_owned(), default.clone().without_columns(columns(FeatureSpec::flow()))));
    for (name, starts) in GROUPS {
        let named =
            columns(FeatureSpec::context()).into_iter().filter(|name| starts.iter().any(|s| name.starts_with(s)));
        // The rhythm head reads nothing but columns of a service.
        let heads: Vec<&str> =
            chosen.iter().copied().filter(|h| *h != "rhythm" || !starts.contains(&"service_")).collect();
        let without = if heads.len() < chosen.len() { " and head rhythm, which reads no others" } else { "" };
        variants
            .push((format!("without columns: {name}{without}"), default.clone().heads(&heads)?.without_columns(named)));
    }
    variants.push(("contamination 0.01 assumed, none there".to_owned(), default.clone().contamination(0.01)));
    variants.push(("contamination 0.05 assumed, none there".to_owned(), default.clone().contamination(0.05)));
    let looking = SessionConfig::default();
    let mut variants: Vec<Variant> =
        variants.into_iter().map(|(name, recipe)| (name, recipe, looking.clone())).collect();
    variants.push(("each session at its end alone".to_owned(), default.clone(), looking.clone().looks(Looks::none())));
    let silence = Looks { silence: true, ..Looks::none() };
    variants.push(("looks in silence alone".to_owned(), default, looking.looks(silence)));
    Ok(variants)
}
