// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/utils"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

func bottlerocket() analysis.Analyzer {
	return analysis.Analyzer{
		Type:    analysis.TypeBottlerocketInventory,
		Version: 1,
		Wants: func(p string, _ fs.FileInfo) bool {
			switch p {
			case "aarch64-bottlerocket-linux-gnu/sys-root/usr/share/bottlerocket/application-inventory.json",
				"x86_64-bottlerocket-linux-gnu/sys-root/usr/share/bottlerocket/application-inventory.json":
				return true
			}
			return false
		},
		Analyze: func(_ context.Context, f analysis.File) (*analysis.Result, error) {
			text, err := smallText(f)
			if err != nil {
				return nil, err
			}
			packages, err := parseInventory(text)
			if err != nil {
				return nil, err
			}
			return &analysis.Result{PackageInfos: []ftypes.PackageInfo{{FilePath: f.Path, Packages: packages}}}, nil
		},
	}
}

// inventory is Bottlerocket's list of what was built into the image. Fields that
// nothing here reads are named so that a wrong type in them is an error.
type inventory struct {
	Content []struct {
		Name, Publisher, Version, Release, Epoch    string
		InstalledTime                               time.Time
		ApplicationType, Architecture, URL, Summary string
	}
}

// maxCommas bounds the entries of an inventory: each takes a hundred times the memory
// of the shortest text for it.
const maxCommas = 100_000

func parseInventory(text string) ([]ftypes.Package, error) {
	if n := strings.Count(text, ","); n > maxCommas {
		return nil, fmt.Errorf("an inventory of %d values", n)
	}
	var inv inventory
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&inv); err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	packages := make([]ftypes.Package, 0, len(inv.Content))
	for _, app := range inv.Content {
		p := ftypes.Package{Name: app.Name, Version: app.Version, Release: app.Release, Arch: app.Architecture}
		if app.Epoch != "" { // releases before 1.20 have none
			var err error
			if p.Epoch, err = strconv.Atoi(app.Epoch); err != nil {
				return nil, fmt.Errorf("the epoch of %s: %w", app.Name, err)
			}
		}
		if p.Name != "" && p.Version != "" {
			p.ID = p.Name + "@" + utils.FormatVersion(p)
		}
		packages = append(packages, p)
	}
	return packages, nil
}
