//! Which columns go to which small autoencoder: those that vary together, a few at a time (section IV-C of the Kitsune paper).

/// Sums from which the correlation of every two columns follows.
#[derive(Debug)]
pub(super) struct Correlations {
    columns: usize,
    count: f64,
    sums: Vec<f64>,
    /// Sums of products, row by row.
    products: Vec<f64>,
}

impl Correlations {
    /// The correlations of some rows of `columns` values.
    pub(super) fn of<'a>(rows: impl Iterator<Item = &'a [f64]> + Clone, columns: usize) -> Self {
        let mut all = Self { columns, count: 0.0, sums: vec![0.0; columns], products: vec![0.0; columns * columns] };
        for row in rows.clone() {
            all.count += 1.0;
            all.sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let means: Vec<f64> = all.sums.iter().map(|sum| sum / all.count.max(1.0)).collect();
        let mut residual = vec![0.0; columns];
        for row in rows {
            for ((residual, value), mean) in residual.iter_mut().zip(row).zip(&means) {
                *residual = value - mean;
            }
            for (products, a) in all.products.chunks_exact_mut(columns).zip(&residual) {
                products.iter_mut().zip(&residual).for_each(|(product, b)| *product += a * b);
            }
        }
        all
    }

    /// One minus the correlation of two columns, 0 to 2; 1 where either does not vary.
    fn distance(&self, a: usize, b: usize) -> f64 {
        let product = |i: usize, j: usize| self.products[i * self.columns + j];
        let scale = (product(a, a) * product(b, b)).sqrt();
        if scale > 0.0 { 1.0 - product(a, b) / scale } else { 1.0 }
    }

    /// Groups of at most `most` columns: agglomerated by the distance of their nearest columns (single linkage), the tree
    /// cut from the top until every group is small enough.
    pub(super) fn groups(&self, most: usize) -> Vec<Vec<usize>> {
        let mut live: Vec<Tree> = (0..self.columns).map(Tree::Leaf).collect();
        // The distance of every two live trees, in the order of `live`.
        let mut distances: Vec<Vec<f64>> =
            (0..self.columns).map(|a| (0..self.columns).map(|b| self.distance(a, b)).collect()).collect();
        while live.len() > 1 {
            let pairs = (0..live.len()).flat_map(|a| (a + 1..live.len()).map(move |b| (a, b)));
            let nearest = pairs.min_by(|&(a, b), &(c, d)| distances[a][b].total_cmp(&distances[c][d]));
            let Some((a, b)) = nearest else { break };
            let gone = distances.remove(b);
            for (row, gone) in distances.iter_mut().zip(gone.iter().enumerate().filter(|(i, _)| *i != b)) {
                row[a] = row[a].min(*gone.1);
                row.remove(b);
            }
            distances[a] = (0..distances.len()).map(|i| if i == a { 0.0 } else { distances[i][a] }).collect();
            let tree = live.remove(b);
            live[a] = Tree::Node(Box::new([std::mem::replace(&mut live[a], Tree::Leaf(0)), tree]));
        }
        let mut groups = Vec::new();
        live.into_iter().for_each(|tree| tree.cut(most, &mut groups));
        groups
    }
}

enum Tree {
    Leaf(usize),
    Node(Box<[Tree; 2]>),
}

impl Tree {
    fn leaves(&self) -> Vec<usize> {
        match self {
            Self::Leaf(column) => vec![*column],
            Self::Node(children) => children.iter().flat_map(Self::leaves).collect(),
        }
    }

    fn cut(self, most: usize, groups: &mut Vec<Vec<usize>>) {
        let leaves = self.leaves();
        match self {
            Self::Node(children) if leaves.len() > most => {
                children.into_iter().for_each(|child| child.cut(most, groups));
            }
            _ => groups.push(leaves),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_vary_together_share_a_group() {
        // Columns 0, 2, 4 follow one wave, 1 and 3 another, 5 does not vary.
        let rows: Vec<[f64; 6]> = (0..200)
            .map(|i| {
                let (a, b) = ((f64::from(i) * 0.3).sin(), (f64::from(i) * 1.7).cos());
                [a, b, 2.0 * a + 0.01 * b, 5.0 + b - 0.02 * a, a + 0.03 * b, 4.0]
            })
            .collect();
        let correlations = Correlations::of(rows.iter().map(|row| row.as_slice()), 6);
        assert!(correlations.distance(0, 2) < 0.01 && correlations.distance(0, 1) > 0.8);
        assert_eq!(correlations.distance(0, 5), 1.0);
        let mut groups = correlations.groups(3);
        groups.iter_mut().for_each(|group| group.sort_unstable());
        groups.sort();
        assert!(groups.contains(&vec![0, 2, 4]), "{groups:?}");
        assert!(groups.iter().any(|group| group.starts_with(&[1, 3])), "{groups:?}");
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 6);
        assert!(correlations.groups(1).len() == 6 && correlations.groups(6).len() == 1);
    }
}
