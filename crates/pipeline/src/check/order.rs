//! The order in which declarations that need each other can be checked. Knows indices only.

/// What is known of declarations `0..n`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ordered {
    /// Each behind what it needs, but for those of a cycle.
    pub(super) order: Vec<usize>,
    /// Chains in which each needs the next and the last the first; no declaration stands in two.
    pub(super) cycles: Vec<Vec<usize>>,
}

/// Orders declarations by what they need. Linear; keeps its own stack, since a source may chain thousands of them.
pub(super) fn order(needs: &[Vec<usize>]) -> Ordered {
    let mut state = vec![State::New; needs.len()];
    let mut ordered = Ordered { order: Vec::with_capacity(needs.len()), cycles: Vec::new() };
    for root in 0..needs.len() {
        if state[root] != State::New {
            continue;
        }
        state[root] = State::Open(0);
        let mut path = vec![Step { at: root, next: 0, cyclic: 0 }];
        while let Some(step) = path.last_mut() {
            let Step { at, next, cyclic } = *step;
            let Some(&need) = needs[at].get(next) else {
                state[at] = State::Done;
                ordered.order.push(at);
                path.pop();
                continue;
            };
            step.next += 1;
            match state[need] {
                State::New => {
                    state[need] = State::Open(path.len());
                    path.push(Step { at: need, next: 0, cyclic });
                }
                State::Open(start) => {
                    let before = start.checked_sub(1).map_or(0, |below| path[below].cyclic);
                    // One telling for each knot: who mends it sees the next.
                    if cyclic == before {
                        ordered.cycles.push(path[start..].iter().map(|step| step.at).collect());
                        path[start..].iter_mut().zip(before + 1..).for_each(|(step, cyclic)| step.cyclic = cyclic);
                    }
                }
                State::Done => {}
            }
        }
    }
    ordered
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    /// At this position of the path.
    Open(usize),
    Done,
}

/// A declaration on the path.
#[derive(Clone, Copy)]
struct Step {
    at: usize,
    /// Which of its needs is next.
    next: usize,
    /// How many of the path up to here stand in a cycle that was told.
    cyclic: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first() {
        assert_eq!(order(&[vec![2], vec![0], vec![]]), Ordered { order: vec![2, 0, 1], cycles: vec![] });
    }

    #[test]
    fn a_cycle_is_told_once_with_its_chain() {
        let ordered = order(&[vec![1], vec![2], vec![0, 1], vec![0]]);
        assert_eq!(ordered.cycles, [[0, 1, 2]]);
        assert_eq!(ordered.order.len(), 4);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let needs: Vec<Vec<usize>> = (0..100_000).map(|i| if i + 1 < 100_000 { vec![i + 1] } else { vec![] }).collect();
        assert_eq!(order(&needs).order.first(), Some(&99_999));
    }
}
