//! Which columns to take from sessions.

use super::{Column, Rows, Schema, context, flow, packets, services, words};
use crate::{
    Error, ErrorKind, Result,
    session::{PacketRecord, Session},
};
use serde::{Deserialize, Serialize};
use std::{
    borrow::{Borrow, Cow},
    sync::Arc,
};

/// Which columns to take from sessions: a sequence of packets, or one row a session.
///
/// ```
/// use nf_core::FeatureSpec;
/// assert_eq!(FeatureSpec::packets(64).schema().width(), 8);
/// let both = FeatureSpec::flow().and(FeatureSpec::context()).expect("two flat specs");
/// assert_eq!(both.schema().name(), "flow+context");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Kind", into = "Kind")]
pub struct FeatureSpec(Kind);

/// Most packets of a session that a spec may ask for, as many as a session can keep.
const MOST_PACKETS: u32 = 65536;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Packets(u32),
    Addresses(u32),
    Flat {
        parts: Vec<Part>,
        /// The names of the columns to take; empty for all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Flow,
    Context,
    Services,
}

/// A flat column: what it is, and how it follows from a session.
pub(crate) type FlatColumn = (Column, fn(&Session) -> f64);

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Context => "context",
            Self::Services => "services",
        }
    }

    fn columns(self) -> Vec<FlatColumn> {
        match self {
            Self::Flow => flow::columns(),
            Self::Context => context::columns(),
            Self::Services => services::columns(),
        }
    }
}

impl From<FeatureSpec> for Kind {
    fn from(spec: FeatureSpec) -> Self {
        spec.0
    }
}

impl TryFrom<Kind> for FeatureSpec {
    type Error = Error;

    fn try_from(kind: Kind) -> Result<Self> {
        kind.check()?;
        Ok(Self(kind))
    }
}

impl Kind {
    fn check(&self) -> Result<()> {
        match self {
            Self::Packets(n) | Self::Addresses(n) if !(1..=MOST_PACKETS).contains(n) => {
                Err(Error::config("packets", n, "1 to 65536"))
            }
            Self::Flat { parts, .. } if parts.is_empty() => Err(Error::config("number of flat specs", 0, "at least 1")),
            Self::Flat { parts, .. } if (1..parts.len()).any(|i| parts[..i].contains(&parts[i])) => {
                Err(Error::new(ErrorKind::Config, "a flat spec stands there twice, it must stand once"))
            }
            Self::Flat { parts, only } => {
                let names: Vec<_> = flat_columns(parts, &[]).map(|(column, _)| column.name).collect();
                match only.iter().find(|name| !names.contains(&Cow::Borrowed(name.as_str()))) {
                    Some(name) => Err(Error::config("column", name, "a column of the spec (docs/features.md)")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// The columns of some parts, or those that are named, in the order of the parts.
fn flat_columns(parts: &[Part], only: &[String]) -> impl Iterator<Item = FlatColumn> {
    let named = |(column, _): &FlatColumn| only.is_empty() || only.iter().any(|name| *name == column.name);
    parts.iter().flat_map(|part| part.columns()).filter(named)
}

impl FeatureSpec {
    /// The first `n` packets of each session, 8 behavioural columns a packet: rows of shape (sessions, n, 8).
    pub fn packets(n: u32) -> Self {
        Self(Kind::Packets(n))
    }

    /// The first `n` packets of each session, 8 addressing columns a packet as the first neural-filter project had them
    /// (hardware addresses, IP length, protocol, IP addresses, ports, each over its range): shape (sessions, n, 8).
    ///
    /// These are shortcuts: they name the hosts of one network, look brilliant on one capture, and mean nothing on the
    /// next network. They are here to reproduce that project.
    pub fn addresses(n: u32) -> Self {
        Self(Kind::Addresses(n))
    }

    /// Statistics of the whole session: shape (sessions, 1, columns).
    pub fn flow() -> Self {
        Self(Kind::Flat { parts: vec![Part::Flow], only: Vec::new() })
    }

    /// What the session's hosts did around it, and its DNS question: shape (sessions, 1, columns).
    pub fn context() -> Self {
        Self(Kind::Flat { parts: vec![Part::Context], only: Vec::new() })
    }

    /// Which service the session used, and which pair of hosts which service: shape (sessions, 1, 2).
    ///
    /// These are names, not quantities, for models that count how often a value was seen, as
    /// [`Rarity`](crate::model::Rarity) does, and for no others: they say nothing on another network.
    pub fn services() -> Self {
        Self(Kind::Flat { parts: vec![Part::Services], only: Vec::new() })
    }

    /// The columns of two flat specs side by side.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where one of them is a sequence or a [selection](Self::select), or both have the same columns.
    pub fn and(self, other: Self) -> Result<Self> {
        match (self.0, other.0) {
            (Kind::Flat { mut parts, only }, Kind::Flat { parts: more, only: also })
                if only.is_empty() && also.is_empty() && !more.iter().any(|part| parts.contains(part)) =>
            {
                parts.extend(more);
                Ok(Self(Kind::Flat { parts, only }))
            }
            (a, b) => {
                let (a, b) = (Self(a).schema().name().to_owned(), Self(b).schema().name().to_owned());
                let message =
                    format!("specs {a} and {b} cannot stand side by side, both must be flat, whole and differ");
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    /// Only the named columns of a flat spec, in the order of the spec.
    ///
    /// ```
    /// use nf_core::FeatureSpec;
    /// let rhythm = FeatureSpec::context().select(["service_gap_variation", "service_gap"]).expect("its columns");
    /// assert_eq!(rhythm.schema().width(), 2);
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where the spec is a sequence, no name is given, or one is not that of a column.
    pub fn select<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Result<Self> {
        let Kind::Flat { parts, only } = self.0 else {
            let name = self.schema().name().to_owned();
            return Err(Error::config("spec", name, "flat, columns of a sequence cannot be selected"));
        };
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        if columns.is_empty() {
            return Err(Error::config("number of columns", 0, "at least 1"));
        }
        if let Some(name) = columns.iter().find(|name| !only.is_empty() && !only.contains(name)) {
            return Err(Error::config("column", name, "a column of the spec (docs/features.md)"));
        }
        Kind::Flat { parts, only: columns }.try_into()
    }

    /// What the columns mean.
    pub fn schema(&self) -> Arc<Schema> {
        let (name, columns) = match &self.0 {
            Kind::Packets(_) => {
                ("packets".to_owned(), packets::behaviour_columns().into_iter().map(words::of_packet).collect())
            }
            Kind::Addresses(_) => {
                ("addresses".to_owned(), packets::address_columns().into_iter().map(words::of_packet).collect())
            }
            Kind::Flat { parts, only } => {
                let names: Vec<_> = parts.iter().map(|part| part.name()).collect();
                let selected = if only.is_empty() { "" } else { ", selected" };
                let columns = flat_columns(parts, only).map(|(column, _)| words::of_session(column));
                (names.join("+") + selected, columns.collect())
            }
        };
        Arc::new(Schema::new(name, columns).expect("the schemas of this crate have unique column names"))
    }

    /// The columns of a flat spec with what they are taken from, for reading sessions one at a time; `None` for sequences.
    pub(crate) fn flat_columns(&self) -> Option<Vec<FlatColumn>> {
        match &self.0 {
            Kind::Flat { parts, only } => Some(flat_columns(parts, only).collect()),
            Kind::Packets(_) | Kind::Addresses(_) => None,
        }
    }

    /// How many packets a session's row holds; `None` for flat specs.
    pub fn steps(&self) -> Option<u32> {
        match self.0 {
            Kind::Packets(n) | Kind::Addresses(n) => Some(n),
            Kind::Flat { .. } => None,
        }
    }

    /// Whether sessions must come with their context.
    pub fn needs_context(&self) -> bool {
        matches!(&self.0, Kind::Flat { parts, .. } if parts.contains(&Part::Context))
    }

    /// The rows of some sessions, one each, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where the spec asks for 0 packets or more than 65536, [`ErrorKind::Data`] where it asks for context and a session
    /// has none.
    pub fn extract<'a>(&self, sessions: impl IntoIterator<Item = &'a Session>) -> Result<Rows> {
        self.extract_each(sessions)
    }

    /// As [`extract`](Self::extract), of sessions that need not all be there at once.
    pub(crate) fn extract_each<S: Borrow<Session>>(&self, sessions: impl IntoIterator<Item = S>) -> Result<Rows> {
        Extractor::of(self)?.extract(sessions)
    }
}

/// A spec made ready: its columns looked up once, for reading sessions again and again.
#[derive(Debug, Clone)]
pub(crate) struct Extractor {
    schema: Arc<Schema>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Packets { steps: usize, write: fn(&Session, &[PacketRecord], &mut Vec<f32>) },
    Flat { columns: Vec<FlatColumn>, needs_context: bool },
}

impl Extractor {
    /// # Errors
    /// As [`FeatureSpec::extract`], for the spec.
    pub(crate) fn of(spec: &FeatureSpec) -> Result<Self> {
        spec.0.check()?;
        let source = match &spec.0 {
            Kind::Packets(n) => Source::Packets { steps: *n as usize, write: packets::behaviour },
            Kind::Addresses(n) => Source::Packets { steps: *n as usize, write: packets::addresses },
            Kind::Flat { parts, only } => {
                Source::Flat { columns: flat_columns(parts, only).collect(), needs_context: spec.needs_context() }
            }
        };
        Ok(Self { schema: spec.schema(), source })
    }

    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The rows of some sessions, one each, in their order.
    ///
    /// # Errors
    /// As [`FeatureSpec::extract`], for the sessions.
    pub(crate) fn extract<S: Borrow<Session>>(&self, sessions: impl IntoIterator<Item = S>) -> Result<Rows> {
        let (schema, sessions) = (self.schema.clone(), sessions.into_iter());
        let (mut data, mut lengths) = (Vec::new(), Vec::new());
        match &self.source {
            Source::Packets { steps, write } => {
                data.reserve_exact(sessions.size_hint().0 * steps * schema.width());
                for session in sessions {
                    let session = session.borrow();
                    let packets = &session.packets()[..session.packets().len().min(*steps)];
                    write(session, packets, &mut data);
                    lengths.push(packets.len() as u32);
                    data.resize(lengths.len() * steps * schema.width(), 0.0);
                }
                Ok(Rows::of_packets(schema, *steps, data, lengths))
            }
            Source::Flat { columns, needs_context } => {
                data.reserve_exact(sessions.size_hint().0 * columns.len());
                for session in sessions {
                    let session = session.borrow();
                    if *needs_context && session.context().is_none() {
                        let message = format!(
                            "session {} has no context, read sessions with `context` switched on",
                            session.key()
                        );
                        return Err(Error::new(ErrorKind::Data, message));
                    }
                    data.extend(columns.iter().map(|(column, value)| column.transform.apply(value(session))));
                }
                Rows::flat(schema, data)
            }
        }
    }
}
