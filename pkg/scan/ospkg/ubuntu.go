// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"encoding/json"
	"fmt"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// ubuntu reads the release from etc/lsb-release. Derived distributions have that file
// too, with another name in it.
func ubuntu(text string) (ftypes.OS, error) {
	named := false
	for line := range textLines(text) {
		if line == "DISTRIB_ID=Ubuntu" {
			named = true
			continue
		}
		if version, ok := strings.CutPrefix(line, "DISTRIB_RELEASE="); ok && named {
			return ftypes.OS{Family: ftypes.Ubuntu, Name: strings.TrimSpace(version)}, nil
		}
	}
	return ftypes.OS{}, nil
}

// ubuntuESM reads the status of Ubuntu Pro: whether the image gets updates of the
// expanded security maintenance, whose versions are others.
func ubuntuESM(text string) (ftypes.OS, error) {
	var status struct {
		Services []struct {
			Name   string `json:"name"`
			Status string `json:"status"`
		} `json:"services"`
	}
	// What may follow the value is not looked at.
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&status); err != nil {
		return ftypes.OS{}, fmt.Errorf("read the status of Ubuntu Pro: %w", err)
	}
	for _, s := range status.Services {
		if s.Name == "esm-infra" && s.Status == "enabled" {
			return ftypes.OS{Family: ftypes.Ubuntu, Extended: true}, nil
		}
	}
	return ftypes.OS{}, nil
}
