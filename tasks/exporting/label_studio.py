"""Label Studio: pairs as tasks that people fill in, and what they filled in as forms.

Put here: the labelling configuration, tasks with what is known as a prediction, annotations read.
Keep out: what a form is (`forms`, beside this file).

Source: Label Studio's format of tasks and its tags Image, Text, TextArea and Choices.

A task's images are files of the export, by the address at which Label Studio serves local files.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from tasks.exporting.benchmark_pairs import NumberedPair, file_of
from tasks.exporting.forms import (
    CHOICES,
    GUIDE,
    NAMES,
    TEXTS,
    Filled,
    Form,
    form_of,
    read_form,
    read_objects,
)
from tasks.exporting.material import Material

TASKS: Final = "tasks.json"
CONFIG: Final = "labeling_config.xml"
IMAGES: Final = "images"
SERVED: Final = "/data/local-files/?d="
_EXPECTED: Final = "export the project as JSON, not JSON-MIN"
_ABOUT: Final = {"answer_a": "image_a", "answer_b": "image_b"}
"""The image that a field is about; the others are about the pair."""


def write_tasks(to: Path, pairs: Sequence[NumberedPair], material: Material) -> None:
    """Write the configuration, a task a pair, and its images."""
    (to / IMAGES).mkdir()
    tasks = []
    for pair in pairs:
        places = []
        for number, row in pair.numbered:
            data, suffix = file_of(material.read_image(row.image))
            (to / IMAGES / f"{number}{suffix}").write_bytes(data)
            places.append(f"{SERVED}{quote(f'{IMAGES}/{number}{suffix}')}")
        tasks.append(_task(pair, places, material))
    (to / TASKS).write_text(json.dumps(tasks, indent=1, ensure_ascii=False) + "\n")
    (to / CONFIG).write_text(labeling_config())


def labeling_config() -> str:
    """Return the configuration with which a project shows the tasks."""
    shown = "".join(
        f'    <Image name="{name}" value="${name}_file" zoom="true" zoomControl="true"/>\n'
        for name in ("image_a", "image_b")
    )
    texts = "".join(
        f'  <Header value="{name.replace("_", " ")}" size="5"/>\n'
        f'  <TextArea name="{name}" toName="about" rows="1" maxSubmissions="1" editable="true"'
        f' required="{str(not name.startswith("statement")).lower()}"/>\n'
        for name in TEXTS
    )
    choices = "".join(
        f'  <Header value="{name.replace("_", " ")}" size="5"/>\n'
        f'  <Choices name="{name}" toName="{_ABOUT.get(name, "about")}" choice="single"'
        f' required="true" showInLine="true">\n'
        + "".join(f"    <Choice value={quoteattr(value)}/>\n" for value in values)
        + "  </Choices>\n"
        for name, values in CHOICES.items()
    )
    return (
        f'<View>\n  <Header value={quoteattr(" ".join(GUIDE.split()))} size="5"/>\n'
        f'  <View style="display: flex; gap: 1em">\n{shown}  </View>\n'
        f'  <Text name="about" value="$about"/>\n{texts}{choices}</View>\n'
    )


def _task(pair: NumberedPair, files: Sequence[str], material: Material) -> dict[str, Any]:
    form = form_of(pair)
    cosines = material.cosines_of(pair)
    about = f"pair {pair.pair}"
    if cosines is not None:
        about += f", CLIP cosine {cosines.clip:.3f}, SSL cosine {cosines.ssl:.3f}"
    return {
        "id": pair.pair,
        "data": {
            **{name: getattr(form, name) for name in NAMES},
            "image_a_file": files[0],
            "image_b_file": files[1],
            "about": about,
        },
        "predictions": [{"model_version": "mmvp", "result": results(form)}],
    }


def results(form: Form) -> list[dict[str, Any]]:
    """Return a form as the results of a prediction or an annotation."""
    fields = asdict(form)
    found = []
    for name in (*TEXTS, *CHOICES):
        if fields[name]:
            kind = "choices" if name in CHOICES else "textarea"
            value = {"choices" if name in CHOICES else "text": [fields[name]]}
            found.append(
                {
                    "id": name,
                    "from_name": name,
                    "to_name": _ABOUT.get(name, "about"),
                    "type": kind,
                    "value": value,
                }
            )
    return found


def read_tasks(file: Path) -> list[Filled]:
    """Return what people filled in, from what Label Studio exports as JSON, in its order.

    Annotations that were cancelled are passed over.

    Raises:
        ValueError: if the file is no such export, or an annotation is of another form.
    """
    tasks = read_objects(file, f"is no list of tasks; {_EXPECTED}")
    return [filled for task in tasks for filled in _filled(task, str(file))]


def _filled(task: Mapping[str, Any], file: str) -> Iterator[Filled]:
    where = f"{file!r}, task {task.get('id')}"
    annotations = task.get("annotations") or []
    if not isinstance(task.get("data"), Mapping) or not isinstance(annotations, list):
        message = f"{where} has no data, or no list of annotations; {_EXPECTED}"
        raise ValueError(message)
    for annotation in annotations:
        try:
            if annotation.get("was_cancelled"):
                continue
            fields = {**task["data"], **_texts(annotation["result"])}
            writer = _writer(annotation.get("completed_by"))
        except (KeyError, TypeError, AttributeError) as error:
            message = f"{where}: an annotation of another form ({type(error).__name__}: {error})"
            raise ValueError(message) from error
        yield Filled(writer, read_form(fields, where))


def _texts(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was written and chosen by the name of its field; of several texts the first."""
    found = {}
    for result in results:
        values = result["value"].get("choices") or result["value"].get("text") or ()
        found[result["from_name"]] = values if isinstance(values, str) else next(iter(values), "")
    return found


def _writer(completed_by: Any) -> str:
    """Return who annotated: exports name people by number, or with all that is known of them."""
    if isinstance(completed_by, Mapping):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return f"people:{completed_by if completed_by is not None else 'unknown'}"
