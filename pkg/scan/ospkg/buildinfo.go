// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// Red Hat's build system leaves two files in each layer that it builds: which content
// sets (repositories) the packages came from, and a Dockerfile whose labels and name
// say name, version, release and architecture of the image. Red Hat's advisories are
// by content set.
const (
	buildInfoDir     = "root/buildinfo/"
	manifestsDir     = "root/buildinfo/content_manifests/"
	coreOSManifests  = "usr/share/buildinfo/"
	redHatDockerfile = "Dockerfile"
)

func wantsContentManifest(name string, _ fs.FileInfo) bool {
	if !strings.HasSuffix(name, ".json") {
		return false
	}
	rest, ok := strings.CutPrefix(name, manifestsDir)
	if !ok {
		rest, ok = strings.CutPrefix(name, coreOSManifests)
	}
	return ok && !strings.Contains(rest, "/")
}

// analyzeContentManifest reads the first JSON value of the file, as Trivy does.
func analyzeContentManifest(_ context.Context, f analysis.File) (*analysis.Result, error) {
	var manifest struct {
		ContentSets []string `json:"content_sets"`
	}
	if err := json.NewDecoder(f.Content).Decode(&manifest); err != nil {
		return nil, fmt.Errorf("the content manifest: %w", err)
	}
	if len(manifest.ContentSets) == 0 {
		return nil, nil
	}
	return &analysis.Result{BuildInfo: &ftypes.BuildInfo{ContentSets: manifest.ContentSets}}, nil
}

func wantsRedHatDockerfile(name string, _ fs.FileInfo) bool {
	rest, ok := strings.CutPrefix(name, buildInfoDir)
	return ok && strings.HasPrefix(rest, redHatDockerfile) && !strings.Contains(rest, "/")
}

func analyzeRedHatDockerfile(_ context.Context, f analysis.File) (*analysis.Result, error) {
	data, err := wholeFile(f)
	if err != nil {
		return nil, err
	}
	component, arch, err := readLabels(data)
	if err != nil {
		return nil, fmt.Errorf("the Dockerfile: %w", err)
	}
	return &analysis.Result{BuildInfo: &ftypes.BuildInfo{Nvr: component + "-" + versionOf(f.Path), Arch: arch}}, nil
}

// versionOf is the end of a file's path: "…/Dockerfile-ubi8-8.3-227" is version 8.3,
// release 227.
func versionOf(name string) string {
	release := strings.LastIndexByte(name, '-')
	if release < 0 {
		return ""
	}
	return name[strings.LastIndexByte(name[:release], '-')+1:]
}
