// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"io/fs"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

func isOSRelease(p string, _ fs.FileInfo) bool {
	switch p {
	case "etc/os-release", "usr/lib/os-release",
		"aarch64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release",
		"x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release":
		return true
	}
	return false
}

// osRelease reads the file that systemd made common (os-release(5)). Debian and Ubuntu
// are left to files of their own, which are more exact.
func osRelease(text string) (ftypes.OS, error) {
	var id, name, version string
	for line := range textLines(text) {
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch strings.TrimSpace(key) {
		case "ID":
			id = value
		case "NAME":
			name = value
		case "VERSION_ID":
			version = value
		}
	}
	family := familyOf(id)
	if family == "" || version == "" {
		return ftypes.OS{}, nil
	}
	// Both have the same ID.
	if family == ftypes.CentOS && name == "CentOS Stream" {
		family = ftypes.CentOSStream
	}
	return ftypes.OS{Family: family, Name: version}, nil
}

// familyOf translates an ID of os-release into Trivy's name of the distribution.
func familyOf(id string) ftypes.OSType {
	switch id {
	case "activestate", "rocky", "fedora", "alpine", "bottlerocket", "opensuse-tumbleweed", "opensuse-leap", "centos",
		"sles", "photon", "wolfi", "chainguard", "azurelinux", "echo", "minimos", "coreos":
		return ftypes.OSType(id)
	case "rhel":
		return ftypes.RedHat
	case "almalinux":
		return ftypes.Alma
	case "ol":
		return ftypes.Oracle
	case "opensuse": // Leap 42
		return ftypes.OpenSUSELeap
	case "sle-micro", "sl-micro", "sle-micro-rancher":
		return ftypes.SLEMicro
	case "mariner":
		return ftypes.CBLMariner
	}
	return ""
}
