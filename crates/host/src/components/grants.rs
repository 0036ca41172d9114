//! What a grant of a component's configuration means: scopes of its token, and what it is told at its init. Checks no token.

use middleware::HostCapability;
use supervisor::config::{Grant, GrantId};

use crate::config::{CallGrant, Scope};

/// What the host offers to components, and where.
#[derive(Debug, Clone)]
pub(crate) struct Offers {
    /// `unix:PATH` or `http://ADDRESS`.
    pub(crate) endpoint: String,
}

impl Offers {
    /// The grants as a component is told of them; the file of its token is the supervisor's to name.
    pub(crate) fn capabilities(&self, grants: &[Grant]) -> Vec<HostCapability> {
        let told = |grant: &Grant| {
            let (id, path) = match grant.id {
                GrantId::RunPipeline => ("run_pipeline", "/v1/pipelines:run"),
                GrantId::Call => ("call", "/v1/modules/{name}:call"),
                GrantId::ListModules => ("list_modules", "/v1/modules"),
                GrantId::Staging => ("staging", "/v1/staging/{key}"),
            };
            HostCapability {
                id: id.to_owned(),
                endpoint: self.endpoint.clone(),
                path: path.to_owned(),
                token_file: String::new(),
                modules: grant.modules.clone(),
            }
        };
        grants.iter().map(told).collect()
    }
}

/// What the token of a component permits: nothing beyond its grants. Running a source takes the scopes of the modules that it calls,
/// and no more.
pub(crate) fn scopes(grants: &[Grant]) -> Vec<Scope> {
    let of = |grant: &Grant| match grant.id {
        GrantId::RunPipeline | GrantId::Call => {
            // A pattern that is none was refused with the configuration.
            grant.modules.iter().filter_map(|pattern| CallGrant::parse(pattern).map(Scope::Call)).collect()
        }
        GrantId::ListModules => vec![Scope::List],
        GrantId::Staging => vec![Scope::Staging],
    };
    grants.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(id: GrantId, modules: &[&str]) -> Grant {
        Grant { id, modules: modules.iter().map(|module| (*module).to_owned()).collect() }
    }

    #[test]
    fn a_token_permits_what_is_granted_and_nothing_else() {
        let check = |grants: &[Grant], expected: &[&str]| {
            assert_eq!(scopes(grants).iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
        };
        check(&[], &[]);
        check(&[grant(GrantId::RunPipeline, &["text.*"])], &["call:text.*"]);
        check(&[grant(GrantId::RunPipeline, &[])], &[]);
        check(
            &[grant(GrantId::Call, &["a.B", "*"]), grant(GrantId::ListModules, &[]), grant(GrantId::Staging, &[])],
            &["call:a.B", "call:*", "list", "staging"],
        );
    }

    #[test]
    fn a_component_is_told_where_its_grants_are() {
        let offers = Offers { endpoint: "unix:/run/host.sock".to_owned() };
        let told = offers.capabilities(&[grant(GrantId::RunPipeline, &["text.*"]), grant(GrantId::Staging, &[])]);
        let shown: Vec<_> = told.iter().map(|one| (one.id.as_str(), one.path.as_str(), one.modules.len())).collect();
        assert_eq!(shown, [("run_pipeline", "/v1/pipelines:run", 1), ("staging", "/v1/staging/{key}", 0)]);
        assert!(told.iter().all(|one| one.endpoint == "unix:/run/host.sock" && one.token_file.is_empty()));
    }
}
