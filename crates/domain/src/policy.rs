//! Which scopes of an API a person may grant: a declarative rule, no script.

use lydian_oauth_types::ScopeSet;

use crate::audience::Chosen;
use crate::records::{Api, UserProfile};
use crate::refusal::Refusal;

/// What is chosen, without the scopes that this person may not grant.
///
/// # Errors
///
/// [`Refusal::ScopeNotPermitted`] when nothing is left.
pub fn narrow<'a>(chosen: Chosen<'a>, profile: &UserProfile) -> Result<Chosen<'a>, Refusal> {
    let Some(api) = chosen.api else {
        return Ok(chosen);
    };
    let scope: ScopeSet = chosen.scope.iter().filter(|scope| permits(api, scope, profile)).collect();
    if scope == chosen.scope {
        return Ok(chosen);
    }
    // Knowing who somebody is opens nothing at an API: when all of its scopes are taken away, there is no token for it.
    if !scope.iter().any(|scope| api.scopes.contains(scope)) {
        return Err(Refusal::ScopeNotPermitted);
    }
    Ok(Chosen { api: chosen.api, scope })
}

/// Whether a person may grant a scope of an API. One role or one group is enough.
pub fn permits(api: &Api, scope: &str, profile: &UserProfile) -> bool {
    let Some(detail) = api.scope_details.get(scope).filter(|detail| detail.is_restricted()) else {
        return true;
    };
    !detail.roles.is_disjoint(&profile.roles) || !detail.groups.is_disjoint(&profile.groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::ScopeDetail;
    use crate::test_fixtures::{API, api, scope};

    fn words(text: &str) -> std::collections::BTreeSet<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(roles: &str, groups: &str, asked: &str, expected: Result<&str, Refusal>) {
        let mut api = api(API, "https://api.example/", "read write admin");
        let detail = |roles, groups| ScopeDetail {
            roles: words(roles),
            groups: words(groups),
            ..ScopeDetail::default()
        };
        api.scope_details.insert("write".to_owned(), detail("editor author", ""));
        api.scope_details.insert("admin".to_owned(), detail("owner", "board"));
        let profile = UserProfile { roles: words(roles), groups: words(groups), ..UserProfile::default() };
        let chosen = Chosen { api: Some(&api), scope: scope(asked) };
        let narrowed = narrow(chosen, &profile).map(|chosen| chosen.scope);
        assert_eq!(narrowed, expected.map(scope), "{roles} {groups}: {asked}");
    }

    #[test]
    fn a_scope_that_names_roles_or_groups_is_for_those_alone() {
        check("", "", "read write admin", Ok("read"));
        check("author", "", "read write admin", Ok("read write"));
        check("", "board", "read write admin", Ok("admin read"));
        check("owner editor", "", "read write admin", Ok("admin read write"));
        check("board", "editor", "write admin read", Ok("read"));
    }

    #[test]
    fn nothing_left_is_a_refusal_though_identity_scopes_are() {
        check("", "", "write openid", Err(Refusal::ScopeNotPermitted));
        check("", "", "openid", Ok("openid"));
        check("editor", "", "write openid", Ok("openid write"));
    }
}
