// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"errors"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

var errNoRelease = errors.New("a line does not say which release of which distribution it is")

// redHat reads etc/redhat-release, which Red Hat's relatives have as well.
func redHat(text string) (ftypes.OS, error) {
	for line := range textLines(text) {
		name, version, ok := splitRelease(line)
		if !ok {
			return ftypes.OS{}, errNoRelease
		}
		return ftypes.OS{Family: redHatFamily(name), Name: version}, nil
	}
	return ftypes.OS{}, nil
}

// relative reads the release file that only one of the relatives has.
func relative(family ftypes.OSType) func(string) (ftypes.OS, error) {
	return func(text string) (ftypes.OS, error) {
		for line := range textLines(text) {
			name, version, ok := splitRelease(line)
			if !ok {
				return ftypes.OS{}, errNoRelease
			}
			if redHatFamily(name) == family {
				return ftypes.OS{Family: family, Name: version}, nil
			}
		}
		return ftypes.OS{}, nil
	}
}

// oracle reads etc/oracle-release, whatever name stands in it.
func oracle(text string) (ftypes.OS, error) {
	found, err := redHat(text)
	if found.Family != "" {
		found.Family = ftypes.Oracle
	}
	return found, err
}

func redHatFamily(name string) ftypes.OSType {
	switch strings.ToLower(name) {
	case "centos", "centos linux":
		return ftypes.CentOS
	case "rocky", "rocky linux":
		return ftypes.Rocky
	case "alma", "almalinux", "alma linux":
		return ftypes.Alma
	case "oracle", "oracle linux", "oracle linux server":
		return ftypes.Oracle
	case "fedora", "fedora linux":
		return ftypes.Fedora
	}
	return ftypes.RedHat
}

// splitRelease splits "Rocky Linux release 9.3 (Blue Onyx)" into name and version, at
// the last " release " that a digit follows.
func splitRelease(line string) (name, version string, ok bool) {
	const word = " release "
	line = strings.TrimSpace(line)
	for end := len(line); ; {
		i := strings.LastIndex(line[:end], word)
		if i < 0 {
			return "", "", false
		}
		if rest := line[i+len(word):]; rest != "" && '0' <= rest[0] && rest[0] <= '9' {
			return line[:i], rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789."))], true
		}
		end = i + len(word) - 1
	}
}
