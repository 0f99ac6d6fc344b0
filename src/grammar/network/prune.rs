//! Takes out of a network what can't lead to a match.

use crate::grammar::network::{Kind, Network};

/// Keeps the edges from which the end of their rule can be reached.
pub(super) fn prune(net: &mut Network) {
    let mut leads = vec![false; net.states.len()];
    // Edges that wait for the rule that they call to be known to match something.
    let mut waiting = vec![Vec::new(); net.rules.len()];
    let mut matches = vec![false; net.rules.len()];
    let mut found: Vec<u32> = net.rules.iter().map(|rule| rule.end).collect();
    while let Some(state) = found.pop() {
        let Some(seen) = leads.get_mut(state as usize) else { continue };
        if std::mem::replace(seen, true) {
            continue;
        }
        for index in &net.state(state).into {
            let edge = net.edge(*index);
            match edge.kind {
                Kind::Rule(rule) if !matches[rule as usize] => waiting[rule as usize].push(edge.from),
                _ => found.push(edge.from),
            }
        }
        let rule = net.state(state).rule;
        if net.rule(rule).start == state && !std::mem::replace(&mut matches[rule as usize], true) {
            found.append(&mut waiting[rule as usize]);
        }
    }
    let useful: Vec<bool> = net
        .edges
        .iter()
        .map(|edge| {
            let called = if let Kind::Rule(rule) = edge.kind { matches[rule as usize] } else { true };
            called && leads[edge.to as usize]
        })
        .collect();
    for state in &mut net.states {
        state.out.retain(|edge| useful[*edge as usize]);
        state.into.retain(|edge| useful[*edge as usize]);
    }
}
