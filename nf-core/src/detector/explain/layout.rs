//! What all heads of a detector read of a session, each quantity once.

use super::{super::head::Head, carried::Values};
use crate::{
    Result,
    features::{Column, Rows},
    session::Session,
};

/// The columns of a detector's heads side by side: those of whole sessions, and those of packets.
///
/// Heads that read the same column see the same quantity, so that one changed value changes what each of them reads.
#[derive(Debug)]
pub(in crate::detector) struct Layout {
    pub(super) flat: Part,
    pub(super) packets: Part,
}

/// The columns of one kind.
#[derive(Debug)]
pub(super) struct Part {
    /// Each with its words as this build has them.
    pub(super) columns: Vec<Column>,
    /// The head that a column is taken from, and its place there.
    owners: Vec<(usize, usize)>,
    /// The places of each head's columns among these; `None` for heads of the other kind.
    pub(super) places: Vec<Option<Vec<usize>>>,
    /// Names of facts, each with its columns, in the order of their first columns.
    pub(super) facts: Vec<(String, Vec<usize>)>,
}

impl Layout {
    pub(super) fn of(heads: &[Head]) -> Self {
        let part = |packets| Part::of(heads, |head| head.scorer.spec.steps().is_some() == packets);
        Self { flat: part(false), packets: part(true) }
    }

    /// The values of some sessions: those of the whole session, then those of its packets; as stored in rows, not scaled.
    pub(in crate::detector) fn extract(&self, heads: &[Head], sessions: &[&Session]) -> Result<Vec<Values>> {
        let mut values = vec![Values::default(); sessions.len()];
        for (kind, part) in [&self.flat, &self.packets].into_iter().enumerate() {
            let width = part.columns.len();
            for (i, Head { scorer, .. }) in heads.iter().enumerate() {
                let own: Vec<(usize, usize)> = part.owned_by(i).collect();
                if own.is_empty() {
                    continue;
                }
                let rows = scorer.extractor.extract(sessions.iter().copied()).map_err(|e| scorer.place(e))?;
                for (i, values) in values.iter_mut().enumerate() {
                    let steps = rows.lengths()[i] as usize;
                    let values = &mut values[kind];
                    // Another head may read more packets; those this one does not read stay 0 for its columns.
                    values.resize(values.len().max(steps * width), 0.0);
                    let from = rows.row(i).chunks_exact(rows.width()).take(steps);
                    for (row, to) in from.zip(values.chunks_exact_mut(width)) {
                        own.iter().for_each(|&(column, place)| to[place] = row[column]);
                    }
                }
            }
        }
        Ok(values)
    }

    /// The rows of a head for some sessions' values, on the head's scale.
    pub(in crate::detector) fn rows<'a>(
        &self,
        head: &Head,
        index: usize,
        values: impl ExactSizeIterator<Item = [&'a [f32]; 2]>,
    ) -> Result<Rows> {
        let scorer = &head.scorer;
        let (kind, part) = match scorer.spec.steps() {
            None => (0, &self.flat),
            Some(_) => (1, &self.packets),
        };
        let steps = scorer.spec.steps().unwrap_or(1) as usize;
        let (places, width) = (part.places[index].as_deref().unwrap_or_default(), part.columns.len());
        let (mut data, mut lengths) = (Vec::with_capacity(values.len() * steps * places.len()), Vec::new());
        for values in values {
            let rows = values[kind].chunks_exact(width.max(1)).take(steps);
            lengths.push(rows.len() as u32);
            rows.for_each(|row| data.extend(places.iter().map(|&place| row[place])));
            data.resize(lengths.len() * steps * places.len(), 0.0);
        }
        let schema = scorer.schema().clone();
        scorer.scaler.apply(Rows::sequences(schema, steps, data, lengths)?)
    }
}

impl Layout {
    /// The same, with each column a fact of its own.
    pub(super) fn by_column(mut self) -> Self {
        for part in [&mut self.flat, &mut self.packets] {
            let columns = part.columns.iter().enumerate();
            part.facts = columns.map(|(place, column)| (column.name.to_string(), vec![place])).collect();
        }
        self
    }
}

impl Part {
    fn of(heads: &[Head], belongs: impl Fn(&Head) -> bool) -> Self {
        let mut part = Self { columns: Vec::new(), owners: Vec::new(), places: Vec::new(), facts: Vec::new() };
        for (i, head) in heads.iter().enumerate() {
            if !belongs(head) {
                part.places.push(None);
                continue;
            }
            let schema = head.scorer.schema();
            let places = schema.columns().iter().enumerate().map(|(j, column)| {
                let known = part.columns.iter().position(|known| known.name == column.name);
                known.unwrap_or_else(|| {
                    part.columns.push(column.clone());
                    part.owners.push((i, j));
                    part.columns.len() - 1
                })
            });
            let places = places.collect();
            part.places.push(Some(places));
        }
        for (place, column) in part.columns.iter().enumerate() {
            for fact in column.fact.split(' ') {
                match part.facts.iter_mut().find(|(name, _)| name == fact) {
                    Some((_, columns)) => columns.push(place),
                    None => part.facts.push((fact.to_owned(), vec![place])),
                }
            }
        }
        part
    }

    /// A column's value on the scale of the head it is taken from.
    pub(super) fn scale(&self, heads: &[Head], place: usize, value: f32) -> f32 {
        let (head, column) = self.owners[place];
        heads[head].scorer.scaler.scale(column, value)
    }

    /// The columns taken from a head: their places there and here.
    fn owned_by(&self, head: usize) -> impl Iterator<Item = (usize, usize)> {
        let owned = self.owners.iter().enumerate().filter(move |(_, owner)| owner.0 == head);
        owned.map(|(place, owner)| (owner.1, place))
    }
}
