//! What an evaluation reads: recordings to fit, calibrate and judge on, and what is known of the last.

use crate::data;
use nf_core::{
    Error, ErrorKind, Result, SessionConfig,
    evaluate::{Labels, PacketLabels, Recording, Truth},
};
use std::path::{Path, PathBuf};

/// What an evaluation reads. The splits go by time, never at random.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Benign traffic to fit on.
    pub train: Recording,
    /// Benign traffic to calibrate on.
    pub val: Recording,
    /// What is judged: first the traffic that benign sessions are counted in, then what is all attack.
    pub parts: Vec<Part>,
}

/// A recording that is judged, and where its truth stands.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name in messages.
    pub name: String,
    /// What is judged.
    pub recording: Recording,
    /// What is known of it.
    pub source: TruthSource,
}

/// Where the truth about a recording stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TruthSource {
    /// Nothing of it is an attack.
    Benign,
    /// All of it is one attack of this kind.
    Attack(String),
    /// A label file, and the file that names the attackers' hosts where there is one.
    Labels(PathBuf, Option<PathBuf>),
    /// A list of its frames with the kind of attack in the column named.
    Packets(PathBuf, String),
}

/// The share of a recording's time that is fitted on where no other is given to calibrate on; as the recipe's own split.
const FITTED_SHARE: f64 = 0.7;

impl Part {
    /// A recording that is judged.
    pub fn new(name: &str, recording: Recording, source: TruthSource) -> Self {
        Self { name: name.to_owned(), recording, source }
    }

    /// Reads what is known of it.
    ///
    /// # Errors
    /// As [`Labels::read`], [`PacketLabels::read`] and [`Truth::labelled`].
    pub fn truth(&self, strict: bool, config: &SessionConfig) -> Result<Truth> {
        match &self.source {
            TruthSource::Benign => Ok(Truth::benign()),
            TruthSource::Attack(kind) => Truth::attack(kind, &self.recording, config),
            TruthSource::Labels(labels, attackers) => {
                Truth::labelled(Labels::read(labels, attackers.as_deref())?, strict, &self.recording, config)
            }
            TruthSource::Packets(labels, column) => {
                Ok(Truth::packets(PacketLabels::read(labels, column, &self.recording, config)?))
            }
        }
    }
}

impl Inputs {
    /// The names that [`corpus`](Self::corpus) knows.
    pub const CORPORA: [&'static str; 3] = ["lab", "westermo", "maxf_dns"];

    /// A data set by its name: `lab` from `NF_DATA/lab` where `NF_DATA` is set, else the cut that comes with the examples;
    /// `westermo` and `maxf_dns` from `NF_DATA/labelled`. Of the lab corpus `split` says what is judged (`test`, or `dev` where
    /// there is one) and `calibrate` what is calibrated on (`val`, `val-long`; `train`: its latest 30 %, fitted on the rest).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where the name is unknown or `NF_DATA` is needed and not set; as
    /// [`Capture::open`](nf_core::Capture::open).
    pub fn corpus(name: &str, split: &str, calibrate: &str) -> Result<Self> {
        let root = std::env::var_os("NF_DATA").map(PathBuf::from);
        let labelled = || {
            let message = format!("corpus {name} needs NF_DATA to name the folder above labelled/{name}");
            let root = root.clone().ok_or_else(|| Error::new(ErrorKind::Config, message))?;
            Ok::<_, Error>(root.join("labelled").join(name))
        };
        match name {
            "lab" => lab(&root.map_or_else(|| data("lab"), |root| root.join("lab")), split, calibrate),
            "westermo" => westermo(&labelled()?),
            "maxf_dns" => maxf_dns(&labelled()?),
            _ => {
                let allowed = format!("one of {}", Self::CORPORA.join(", "));
                Err(Error::new(ErrorKind::Config, format!("corpus is {name}, it must be {allowed}")))
            }
        }
    }

    /// Recordings of one's own: without `val` the latest 30 % of the time of `train` are calibrated on.
    ///
    /// # Errors
    /// As [`Recording::split`].
    pub fn of(train: Recording, val: Option<Recording>, test: Option<Part>) -> Result<Self> {
        let (train, val) = match val {
            Some(val) => (train, val),
            None => train.split(FITTED_SHARE)?,
        };
        Ok(Self { train, val, parts: test.into_iter().collect() })
    }

    /// Adds a capture all of which is one attack.
    pub fn add_attack(&mut self, kind: &str, path: &Path) {
        self.parts.push(Part::new(kind, Recording::new(path), TruthSource::Attack(kind.to_owned())));
    }
}

fn lab(lab: &Path, split: &str, calibrate: &str) -> Result<Inputs> {
    let file = |name: &str, ending: &str| lab.join(format!("{name}{ending}"));
    let capture = |name: &str| Recording::new(file(name, ".pcap.zst"));
    let attackers = Some(file(split, ".conf.json")).filter(|path| path.exists());
    let labels = TruthSource::Labels(file(split, ".labels.csv"), attackers);
    let val = (calibrate != "train").then(|| capture(calibrate));
    Inputs::of(capture("train"), val, Some(Part::new(split, capture(split), labels)))
}

/// An industrial network: the benign first half to fit and calibrate on, the second with events labelled packet by packet.
fn westermo(root: &Path) -> Result<Inputs> {
    let labels = TruthSource::Packets(root.join("truth/test_secondhalf.packet_labels.csv"), "nst_class".to_owned());
    let test = Part::new("test", Recording::new(root.join("mixed/test_secondhalf.pcap")), labels);
    Inputs::of(Recording::new(root.join("benign/train_firsthalf_benign.pcap")), None, Some(test))
}

/// DNS alone, five benign captures in the order of their times, each tunnel a capture of its own.
fn maxf_dns(root: &Path) -> Result<Inputs> {
    let benign = |name: &str| root.join("benign").join(format!("{name}.pcap"));
    let train = Recording::of(["benign", "benign__browsing", "benign__streaming", "benign__development"].map(benign));
    let (val, test) = Recording::new(benign("benign__mixed")).split(0.5)?;
    let test = Part::new("benign", test, TruthSource::Benign);
    let mut inputs = Inputs::of(train, Some(val), Some(test))?;
    let mut tunnels = Vec::new();
    let folder = root.join("malicious");
    let unreadable = |error: std::io::Error| Error::new(ErrorKind::Io, format!("{}: {error}", folder.display()));
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        tunnels.push(entry.map_err(unreadable)?.path());
    }
    tunnels.sort();
    for path in tunnels {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // `dnscat2__exfil`, `iodine_tunnel`: the tool stands first.
        let kind = name.split('_').next().unwrap_or_default().to_owned();
        inputs.parts.push(Part::new(&name, Recording::new(path), TruthSource::Attack(kind)));
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_of_the_lab_comes_with_the_examples() {
        let inputs = lab(&data("lab"), "test", "val").expect("the cut");
        let paths = [&inputs.train, &inputs.val, &inputs.parts[0].recording].map(|recording| {
            let path = recording.paths().next().expect("one file").to_owned();
            assert!(path.exists(), "{}", path.display());
            path.file_name().expect("a name").to_string_lossy().into_owned()
        });
        assert_eq!(paths, ["train.pcap.zst", "val.pcap.zst", "test.pcap.zst"]);
        let truth = inputs.parts[0].truth(true, &SessionConfig::default()).expect("labels of the cut");
        assert!(truth.episodes().len() > 5, "{} episodes", truth.episodes().len());
    }

    #[test]
    fn unknown_corpora_are_refused_by_name() {
        let error = Inputs::corpus("kdd99", "test", "val").expect_err("must refuse").to_string();
        assert_eq!(error, "corpus is kdd99, it must be one of lab, westermo, maxf_dns");
    }
}
