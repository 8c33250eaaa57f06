// SPDX-License-Identifier: Apache-2.0

package policy

// LayerRule is about number, size and waste of the layers.
type LayerRule struct{}

func layerGroup() group {
	return group{
		name: GroupLayers, about: "Number, size and waste of the layers.",
		keys: func(_ *parser, r *Rule) []key {
			r.Layers = &LayerRule{}
			return nil
		},
		title:       func(*Rule) string { return "" },
		remediation: func(*Rule) string { return "" },
	}
}
