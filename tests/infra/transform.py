"""Makes of the SAM template what AWS makes of it before it deploys: transform.py TEMPLATE OUTPUT."""

import json
import pathlib
import sys

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

template = yaml_parse(pathlib.Path(sys.argv[1]).read_text())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # sam package would put the code there.
        resource["Properties"]["CodeUri"] = {"Bucket": "code", "Key": "handler.zip"}
# No names of managed policies are needed, because no role has one.
transformed = Translator({}, Parser()).translate(template, {})
pathlib.Path(sys.argv[2]).write_text(json.dumps(transformed, indent=2) + "\n")
