//! What SAM makes: `AWS::Serverless::HttpApi`, and APIs of functions' events.

use super::{
    super::api_parts::Event,
    super::{
        document::{Yaml, YamlData, refused},
        mapping::evaluated,
        sources::{folder_of, is_local, relative},
        stack::Reader,
    },
    Diagnostic, Draft, IMPLICIT,
    cors::cors,
    integration::{Form, Written},
    kept, method, openapi,
    rest::rest_settings,
    text_of, texts_of,
};
use crate::apis::{ApiKind, Cors, Integration, Payload, Route};

impl<'a> Reader<'a> {
    pub(super) fn serverless_http_api(&mut self, id: &str, resource: &'a Yaml) -> Result<Draft, Diagnostic> {
        let own = self.properties_of(id, resource);
        let properties = self.with_globals(id, &own, "HttpApi");
        let mut draft = Draft::new(&self.scope, id, resource.line, ApiKind::Http);
        self.definition(id, &mut draft, &properties);
        settings(&mut draft, &properties)?;
        Ok(draft)
    }

    /// Properties with those of `Globals` behind them.
    pub(super) fn with_globals(&mut self, id: &str, own: &Yaml, section: &str) -> Yaml {
        let global = self.scope.root.get("Globals").and_then(|globals| globals.get(section));
        let mut diagnostics = Vec::new();
        let global = global.map(|global| evaluated(&self.scope, global, &mut diagnostics));
        for diagnostic in diagnostics {
            self.refuse(id, diagnostic);
        }
        let mut entries = own.entries().to_vec();
        let more = global.as_ref().map_or(&[][..], Yaml::entries).iter();
        entries.extend(more.filter(|(name, _)| own.get(name).is_none()).cloned());
        Yaml { line: own.line, data: YamlData::Map(entries) }
    }

    /// Reads `DefinitionBody`, or the file of `DefinitionUri`.
    pub(super) fn definition(&mut self, id: &str, draft: &mut Draft, properties: &Yaml) {
        let uri = properties.get("DefinitionUri").filter(|_| properties.get("DefinitionBody").is_none());
        let file = uri.and_then(|uri| kept(self, id, self.definition_file(uri).map(Some)).flatten());
        if let Some(uri) = uri.filter(|_| file.is_none()) {
            let text = "its routes are not known here: its DefinitionUri is not a file beside the template";
            return self.warn(id, uri.line, text.to_owned());
        }
        if let Some(document) = file.as_ref().or_else(|| properties.get("DefinitionBody")) {
            for diagnostic in openapi::read(draft, document) {
                self.refuse(id, diagnostic);
            }
        }
    }

    fn definition_file(&self, uri: &Yaml) -> Result<Option<Yaml>, Diagnostic> {
        let input = self.scope.input;
        let Some((folder, text)) = input.options.folder.as_deref().zip(uri.as_text().filter(|text| is_local(text)))
        else {
            return Ok(None);
        };
        let path = relative(folder_of(input.path.as_deref().unwrap_or_default()), text);
        let text = input.sources.read(folder, &path).map_err(|text| refused(uri, text))?;
        Ok(Some(input.sources.parse(Some(&path), &text)?.root))
    }

    /// Adds the routes of functions' events, to the APIs that they name or to those that SAM makes.
    pub(super) fn api_events(&mut self, drafts: &mut Vec<Draft>, events: Vec<Event>) {
        for event in events {
            let name = if event.kind == ApiKind::Http { "ApiId" } else { "RestApiId" };
            if event.properties.get(name).is_none() {
                self.implicit(drafts, &event);
            }
            let implicit = IMPLICIT.iter().find(|(_, kind, _)| *kind == event.kind).map_or("", |(id, ..)| *id);
            let mut properties = event.properties.clone();
            if let YamlData::Map(entries) = &mut properties.data
                && event.properties.get(name).is_none()
            {
                entries.push((name.to_owned(), Yaml::text(event.properties.line, self.scope.api_id(implicit))));
            }
            let owner = event.owner.clone();
            self.with_draft(drafts, (&owner, &properties, name), |_, draft| {
                draft.unenforced.extend(event.properties.get("Auth").map(|_| "authorisers"));
                draft.add_route(of_event(&event)?);
                Ok(())
            });
        }
    }

    /// Begins the API that SAM makes where no event names one, if it has not begun.
    fn implicit(&mut self, drafts: &mut Vec<Draft>, event: &Event) {
        let Some((id, kind, stage)) = IMPLICIT.iter().find(|(_, kind, _)| *kind == event.kind) else { return };
        if drafts.iter().any(|draft| draft.stack_api.logical_id == *id) {
            return;
        }
        let section = if *kind == ApiKind::Http { "HttpApi" } else { "Api" };
        let mut draft = Draft::new(&self.scope, id, event.properties.line, *kind);
        let empty = Yaml { line: event.properties.line, data: YamlData::Map(Vec::new()) };
        let properties = self.with_globals(id, &empty, section);
        let read = match kind {
            ApiKind::Http => settings(&mut draft, &properties),
            ApiKind::Rest => rest_settings(&mut draft, &properties),
        };
        kept(self, id, read);
        draft.add_stage(stage, texts_of(properties.get("Variables")));
        drafts.push(draft);
    }
}

/// The stage, and what pages may do.
fn settings(draft: &mut Draft, properties: &Yaml) -> Result<(), Diagnostic> {
    let stage = text_of(properties, "StageName")?.unwrap_or("$default");
    draft.add_stage(stage, texts_of(properties.get("StageVariables")));
    draft.unenforced.extend(properties.get("Auth").map(|_| "authorisers"));
    let throttles = properties.get("DefaultRouteSettings").or_else(|| properties.get("RouteSettings"));
    draft.unenforced.extend(throttles.map(|_| "throttling"));
    match properties.get("CorsConfiguration") {
        // SAM specification, `CorsConfiguration`: true allows all.
        Some(node) if node.as_flag() == Some(true) => {
            draft.api().cors = Some(Cors { origins: vec!["*".to_owned()], ..Cors::default() });
        }
        Some(node) if node.as_flag() == Some(false) => {}
        Some(node) => draft.api().cors = Some(cors(node, ToOwned::to_owned)),
        None => {}
    }
    Ok(())
}

/// The route of an event.
fn of_event(event: &Event) -> Result<Route, Diagnostic> {
    let properties = &event.properties;
    let (path, name) = (text_of(properties, "Path")?, text_of(properties, "Method")?);
    let needs = |what: &str| refused(properties, format!("an event of type Api needs {what}"));
    let (method, path) = match (event.kind, path, name) {
        (ApiKind::Http, None | Some("$default"), _) => (None, "$default".to_owned()),
        (_, Some(path), name) => {
            let name = if event.kind == ApiKind::Http { name.or(Some("ANY")) } else { name };
            (method(properties, name.ok_or_else(|| needs("Method"))?)?, path.to_owned())
        }
        (ApiKind::Rest, None, _) => return Err(needs("Path")),
    };
    let payload = match (event.kind, text_of(properties, "PayloadFormatVersion")?) {
        (ApiKind::Rest, _) => Payload::Rest,
        (ApiKind::Http, Some("1.0")) => Payload::V1,
        (ApiKind::Http, _) => Payload::V2,
    };
    let integration = Integration::Function { function: event.function_arn.clone(), payload };
    let written = Written { node: properties, form: Form::V2, kind: event.kind };
    Ok(Route { method, path, integration, timeout: written.timeout()? })
}
