//! Prints `docs/features.md`: every column of every feature spec, from the schemas themselves.

fn main() {
    print!("{}", nf_examples::columns());
}
