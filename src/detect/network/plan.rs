//! A graph of ONNX to the steps of a network: each operator once, in the order of the file.

use std::collections::HashMap;

use crate::detect::network::onnx::{Constant, Graph, Node, Numbers};
use crate::detect::network::product::Weights;
use crate::detect::network::{Both, FEATURES, Network, Rows, STATE, Step, TOGETHER, Widths, Work};

/// More numbers in a row, or more of them in between, than a network of this kind has.
const WIDEST: usize = 8_192;
const MOST_NUMBERS: usize = 1 << 20;

/// Plans a graph; `None` if it is of another kind.
pub(super) fn plan(graph: &Graph<'_>) -> Option<Network> {
    let width = |of: &[(&str, usize)], name: &str| of.iter().find(|(known, _)| *known == name).map(|(_, width)| *width);
    let widths = Widths {
        features: width(&graph.inputs, "features")?,
        state: width(&graph.inputs, "state")?,
        posteriors: width(&graph.outputs, "posteriors")?,
        state_out: width(&graph.outputs, "state_out")?,
    };
    let mut planner = Planner { graph, places: HashMap::new(), widths: Vec::new(), steps: Vec::new(), numbers: 0 };
    // The inputs lie where they are looked for.
    debug_assert_eq!((FEATURES, STATE), (0, 1));
    planner.add("features", widths.features)?;
    planner.add("state", widths.state)?;
    for node in &graph.nodes {
        planner.node(node)?;
    }
    let Planner { places, widths: of_rows, steps, .. } = planner;
    let place = |name, width| places.get(name).copied().filter(|place| of_rows[*place] == width);
    let posteriors = place("posteriors", widths.posteriors)?;
    let state_out = place("state_out", widths.state_out)?;
    let (rows, rooms) = share(&of_rows, &steps, [posteriors, state_out]);
    Some(Network { widths, rows, rooms, steps, posteriors, state_out })
}

/// Finds room for all rows: one that was read for the last time leaves its room to another. No step writes where it reads.
fn share(widths: &[usize], steps: &[Step], outputs: [usize; 2]) -> (Vec<Rows>, Vec<Vec<f32>>) {
    // The step that reads a row last; an output is read after all of them, the inputs are written before.
    let mut last: Vec<Option<usize>> = vec![None; widths.len()];
    for (n, step) in steps.iter().enumerate() {
        step.work.reads().into_iter().for_each(|from| last[from] = Some(n));
    }
    outputs.into_iter().for_each(|output| last[output] = Some(steps.len()));
    let mut rooms = vec![widths[FEATURES], widths[STATE]];
    let mut rows: Vec<Rows> = widths.iter().map(|&width| Rows { width, room: 0 }).collect();
    (rows[FEATURES].room, rows[STATE].room) = (0, 1);
    let mut free: Vec<usize> = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let width = widths[step.into];
        let nearest = (0..free.len()).min_by_key(|&at| rooms[free[at]].abs_diff(width));
        let room = nearest.map_or(rooms.len(), |at| free.swap_remove(at));
        if room == rooms.len() {
            rooms.push(width);
        }
        rooms[room] = rooms[room].max(width);
        rows[step.into].room = room;
        let over = step.work.reads().into_iter().filter(|&from| last[from] == Some(n));
        let mut over: Vec<usize> = over.map(|from| rows[from].room).collect();
        if last[step.into].is_none() {
            over.push(room);
        }
        over.sort_unstable();
        over.dedup();
        free.extend(over);
    }
    (rows, rooms.into_iter().map(|width| vec![0.0; TOGETHER * width]).collect())
}

struct Planner<'a> {
    graph: &'a Graph<'a>,
    /// Rows by their names, and how many numbers they have.
    places: HashMap<&'a str, usize>,
    widths: Vec<usize>,
    steps: Vec<Step>,
    numbers: usize,
}

impl<'a> Planner<'a> {
    /// Takes up rows.
    fn add(&mut self, name: &'a str, width: usize) -> Option<usize> {
        self.numbers += width;
        let known = self.places.contains_key(name) || self.graph.constants.contains_key(name);
        if known || width == 0 || width > WIDEST || self.numbers > MOST_NUMBERS {
            return None;
        }
        self.widths.push(width);
        self.places.insert(name, self.widths.len() - 1);
        Some(self.widths.len() - 1)
    }

    fn step(&mut self, name: &'a str, width: usize, work: Work) -> Option<()> {
        let into = self.add(name, width)?;
        self.steps.push(Step { work, into });
        Some(())
    }

    fn place(&self, name: &str) -> Option<(usize, usize)> {
        let place = *self.places.get(name)?;
        Some((place, self.widths[place]))
    }

    fn constant(&self, name: &str) -> Option<&'a Constant> {
        self.graph.constants.get(name)
    }

    fn whole(&self, name: &str) -> Option<&'a [i64]> {
        match &self.constant(name)?.numbers {
            Numbers::Whole(numbers) => Some(numbers),
            Numbers::Real(_) => None,
        }
    }

    fn one_whole(&self, name: &str) -> Option<usize> {
        match self.whole(name)? {
            [number] => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A constant that is the same for all rows: one of its own width, or one number.
    fn row(&self, name: &str, width: usize) -> Option<Vec<f32>> {
        let Constant { sizes, numbers: Numbers::Real(numbers) } = self.constant(name)? else { return None };
        match (sizes[..].split_last(), numbers[..].len()) {
            (None, _) | (Some((1, [] | [1])), 1) => Some(vec![*numbers.first()?; width]),
            (Some((_, [] | [1])), length) if length == width => Some(numbers.clone()),
            _ => None,
        }
    }

    fn node(&mut self, node: &Node<'a>) -> Option<()> {
        if node.has_others {
            return None;
        }
        let along = |or: i64| matches!(node.numbers.get("axis").copied().unwrap_or(or), 1 | -1);
        let inputs = &node.inputs[..];
        if let ("Split", [from, sizes]) = (node.operator, inputs) {
            return self.split(node, from, sizes).filter(|()| along(0));
        }
        let &[name] = &node.outputs[..] else { return None };
        match (node.operator, inputs) {
            ("MatMul", [from, weights]) => {
                let (from, width) = self.place(from)?;
                let Constant { sizes, numbers: Numbers::Real(numbers) } = self.constant(weights)? else { return None };
                let &[inputs, outputs] = &sizes[..] else { return None };
                let weights = Weights::new(inputs, outputs, numbers).filter(|_| inputs == width)?;
                self.step(name, weights.outputs(), Work::Product(from, weights))
            }
            ("Add", [one, other]) => self.both(name, Both::Sum, one, other),
            ("Sub", [one, other]) => self.both(name, Both::Difference, one, other),
            ("Mul", [one, other]) => self.both(name, Both::Product, one, other),
            ("Tanh" | "Sigmoid" | "Softmax", [from]) => {
                let (from, width) = self.place(from)?;
                let work = match node.operator {
                    "Tanh" => Work::Tanh(from),
                    "Sigmoid" => Work::Sigmoid(from),
                    _ if along(-1) => Work::Softmax(from),
                    _ => return None,
                };
                self.step(name, width, work)
            }
            ("Slice", [from, first, end, axis, step @ ..]) => {
                let (from, width) = self.place(from)?;
                let (first, end) = (self.one_whole(first)?, self.one_whole(end)?.min(width));
                let every = match step {
                    [] => true,
                    [step] => self.one_whole(step)? == 1,
                    _ => false,
                };
                let length = end.checked_sub(first).filter(|_| every && self.one_whole(axis) == Some(1))?;
                self.step(name, length, Work::Parts(vec![(from, first, length)]))
            }
            ("Concat", parts) => {
                let parts: Vec<(usize, usize)> = parts.iter().map(|part| self.place(part)).collect::<Option<_>>()?;
                let width = parts.iter().map(|(_, width)| width).sum();
                let parts = parts.into_iter().map(|(from, width)| (from, 0, width)).collect();
                self.step(name, width, Work::Parts(parts)).filter(|()| along(0))
            }
            _ => None,
        }
    }

    fn split(&mut self, node: &Node<'a>, from: &str, sizes: &str) -> Option<()> {
        let (from, width) = self.place(from)?;
        let sizes = self.whole(sizes)?;
        let mut first = 0_usize;
        for (name, size) in node.outputs.iter().zip(sizes) {
            let size = usize::try_from(*size).ok()?;
            let end = first.checked_add(size).filter(|end| *end <= width)?;
            self.step(name, size, Work::Parts(vec![(from, first, size)]))?;
            first = end;
        }
        (first == width && node.outputs.len() == sizes.len()).then_some(())
    }

    fn both(&mut self, name: &'a str, both: Both, one: &str, other: &str) -> Option<()> {
        let (width, work) = match (self.place(one), self.place(other)) {
            (Some((one, width)), Some((other, same))) if width == same => (width, Work::Both(both, one, other)),
            (Some((from, width)), None) => (width, Work::With(both, from, self.row(other, width)?)),
            (None, Some((from, width))) => (width, Work::From(both, self.row(one, width)?, from)),
            _ => return None,
        };
        self.step(name, width, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph of one node, of rows of two features and three numbers of state, with a constant `c`.
    fn one<'a>(operator: &'a str, inputs: &[&'a str], axis: Option<i64>, c: Constant) -> Graph<'a> {
        let mut node = Node { operator, inputs: inputs.to_vec(), outputs: vec!["posteriors"], ..Node::default() };
        node.numbers.extend(axis.map(|axis| ("axis", axis)));
        let copy = Node { operator: "Concat", inputs: vec!["state"], outputs: vec!["state_out"], ..Node::default() };
        let copy = Node { numbers: HashMap::from([("axis", 1)]), ..copy };
        Graph {
            nodes: vec![node, copy],
            constants: HashMap::from([("c", c)]),
            inputs: vec![("features", 2), ("state", 3)],
            outputs: vec![("posteriors", 3), ("state_out", 3)],
        }
    }

    fn real(sizes: &[usize], numbers: &[f32]) -> Constant {
        Constant { sizes: sizes.to_vec(), numbers: Numbers::Real(numbers.to_vec()) }
    }

    /// What one step makes of the features 1, 2 and the state 3, 4, 5.
    fn run(graph: &Graph<'_>) -> Option<Vec<f32>> {
        let mut network = plan(graph)?;
        let (mut told, mut after) = (vec![0.0; 3], vec![0.0; 3]);
        network.run(&[1.0, 2.0], &[3.0, 4.0, 5.0], &mut told, &mut after);
        assert_eq!(after, [3.0, 4.0, 5.0]);
        Some(told)
    }

    #[test]
    fn each_operator_does_what_onnx_says() {
        let matrix = || real(&[2, 3], &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
        assert_eq!(run(&one("MatMul", &["features", "c"], None, matrix())), Some(vec![21.0, 42.0, 63.0]));
        let row = || real(&[3], &[1.0, 2.0, 3.0]);
        let scalar = || real(&[1], &[2.0]);
        assert_eq!(run(&one("Add", &["state", "c"], None, row())), Some(vec![4.0, 6.0, 8.0]));
        assert_eq!(run(&one("Sub", &["state", "c"], None, row())), Some(vec![2.0, 2.0, 2.0]));
        assert_eq!(run(&one("Sub", &["c", "state"], None, row())), Some(vec![-2.0, -2.0, -2.0]));
        assert_eq!(run(&one("Mul", &["c", "state"], None, scalar())), Some(vec![6.0, 8.0, 10.0]));
        assert_eq!(run(&one("Mul", &["state", "state"], None, row())), Some(vec![9.0, 16.0, 25.0]));
        assert_eq!(run(&one("Concat", &["features", "c"], Some(1), scalar())), None, "a constant is no row");
        let told = run(&one("Softmax", &["state"], None, row())).unwrap();
        let whole: f32 = [3.0_f32, 4.0, 5.0].iter().map(|x| x.exp()).sum();
        for (told, x) in told.iter().zip([3.0_f32, 4.0, 5.0]) {
            assert!((told - x.exp() / whole).abs() < 1e-6);
        }
        let told = run(&one("Sigmoid", &["state"], None, row())).unwrap();
        assert!((told[0] - 1.0 / (1.0 + (-3.0_f32).exp())).abs() < 1e-6);
    }

    #[test]
    fn what_is_of_another_kind_is_refused() {
        let row = || real(&[3], &[1.0, 2.0, 3.0]);
        for (operator, inputs, axis) in [
            ("Relu", &["state"][..], None),
            ("Add", &["state", "features"], None),
            ("Add", &["features", "c"], None),
            ("Add", &["state", "unknown"], None),
            ("Softmax", &["state"], Some(0)),
            ("Concat", &["state"], Some(0)),
            ("Concat", &["state"], None),
            ("MatMul", &["state", "c"], None),
            ("Slice", &["state", "c", "c", "c"], None),
        ] {
            assert!(plan(&one(operator, inputs, axis, row())).is_none(), "{operator} {inputs:?}");
        }
        let mut other = one("Tanh", &["state"], None, row());
        assert!(plan(&other).is_some());
        other.nodes[0].has_others = true;
        assert!(plan(&other).is_none());
        other.nodes.pop();
        assert!(plan(&other).is_none());
    }
}
