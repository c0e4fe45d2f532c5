# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration of Sphinx for `make docs`. Needs no network: no inventory is fetched for links."""

from __future__ import annotations

from typing import Any

from docutils import nodes

project = "vfio.workstation"
project_copyright = "the vfio.workstation contributors"
html_title = "vfio.workstation"
extensions = ["sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_theme_options = {"topbar_links": {}, "documentation_home_url": "index.html"}
html_show_sphinx = False
html_copy_source = False
html_use_index = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"

# antsibull-docs refers to these pages of Ansible's documentation by their labels.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
ANSIBLE_LABELS = {
    "action_plugins": "plugins/action.html#action-plugins",
    "ansible_collections.ansible.builtin.blockinfile_module": "collections/ansible/builtin/blockinfile_module.html",
    "ansible_collections.ansible.builtin.debug_module": "collections/ansible/builtin/debug_module.html",
    "ansible_collections.ansible.builtin.password_hash_filter": "collections/ansible/builtin/password_hash_filter.html",
    "ansible_configuration_settings": "reference_appendices/config.html#ansible-configuration-settings",
    "common_return_values": "reference_appendices/common_return_values.html#common-return-values",
}


def link_to_ansible(_app: Any, _env: Any, node: Any, content: nodes.Element) -> nodes.reference | None:
    """Return the link for a label that no page here has."""
    page = ANSIBLE_LABELS.get(node.get("reftarget"))
    if page is None:
        return None
    return nodes.reference("", "", content, internal=False, refuri=ANSIBLE + page)


def setup(app: Any) -> None:
    """Connect the hook; called by Sphinx."""
    app.connect("missing-reference", link_to_ansible)
