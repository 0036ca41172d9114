//! What a component's process is given: its arguments, its environment, its sandbox. Starts nothing.

use std::net::SocketAddr;

use middleware::HostCapability;

use crate::config::Launch;
use crate::process::{self, Stdin};
use crate::sandbox::Plan;
use crate::state::Fault;

use super::begin::{Place, Tokens, missing};

impl Place {
    pub(super) fn launch(
        &self,
        tokens: &Tokens,
        capabilities: &[HostCapability],
        bind: Option<SocketAddr>,
    ) -> Result<process::Launch, Fault> {
        let Launch { executable, args, cwd, env } = self.config.launch.clone().ok_or_else(|| missing("launch"))?;
        let args = match bind {
            Some(address) => {
                let (port, bind) = (address.port().to_string(), address.to_string());
                args.iter().map(|arg| arg.replace("{port}", &port).replace("{bind}", &bind)).collect()
            }
            None => args,
        };
        let env = env.into_iter().chain(self.environment(tokens, bind)).collect();
        let sandbox = self.sandbox(tokens, capabilities, bind);
        Ok(process::Launch { executable, args, cwd, env, stdin: Stdin::Null, sandbox })
    }

    /// What the host adds to the environment, and nothing else.
    fn environment(&self, tokens: &Tokens, bind: Option<SocketAddr>) -> Vec<(String, String)> {
        let mut environment = vec![
            ("MODRACK_HOST", self.options.host_address.clone()),
            ("MODRACK_COMPONENT", self.config.id.clone()),
            ("MODRACK_COMPONENT_DATA", self.home.data().to_string_lossy().into_owned()),
        ];
        if let Some(address) = bind {
            environment.push(("MODRACK_BIND", address.to_string()));
        }
        if let Some(file) = &tokens.auth {
            environment.push(("MODRACK_AUTH_FILE", file.text()));
        }
        if let Some(file) = &tokens.host {
            if self.is_provider() {
                environment.push(("MODRACK_CREDENTIAL_FILE", file.text()));
                environment.push(("MODRACK_SERVICE_ID", self.config.id.clone()));
            }
            if !self.config.capabilities.is_empty() {
                environment.push(("MODRACK_TOKEN_FILE", file.text()));
            }
        }
        environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn sandbox(&self, tokens: &Tokens, capabilities: &[HostCapability], bind: Option<SocketAddr>) -> Plan {
        let mut plan = Plan::new(self.config.sandbox_profile, &self.config.sandbox);
        plan.write.push(self.home.data());
        plan.read.extend([&tokens.auth, &tokens.host].into_iter().flatten().map(|file| file.path().to_owned()));
        plan.bind.extend(bind.map(|address| address.port()));
        let endpoints = capabilities.iter().map(|capability| &*capability.endpoint);
        let host = self.is_provider().then_some(&*self.options.host_address);
        plan.connect.extend(endpoints.chain(host).filter_map(port_of));
        plan.guarded.push(self.options.data_dir.clone());
        plan
    }
}

/// The TCP port of an address; none of a Unix socket.
fn port_of(address: &str) -> Option<u16> {
    let address = address.strip_prefix("unix:").map_or(Some(address), |_| None)?;
    let address = address.rsplit_once("//").map_or(address, |(_, rest)| rest);
    address.trim_end_matches('/').rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_address_is_found_and_a_socket_has_none() {
        let ports = ["http://127.0.0.1:7420", "127.0.0.1:7420/", "http://[::1]:7420", "unix:/run/a:7420", "nowhere"];
        assert_eq!(ports.map(port_of), [Some(7420), Some(7420), Some(7420), None, None]);
    }
}
