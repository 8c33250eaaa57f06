// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/aquasecurity/trivy/pkg/attestation"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/sbom"
	"github.com/aquasecurity/trivy/pkg/sbom/core"
	"github.com/aquasecurity/trivy/pkg/sbom/cyclonedx"
	sbomio "github.com/aquasecurity/trivy/pkg/sbom/io"
	"github.com/aquasecurity/trivy/pkg/sbom/spdx"
	"github.com/aquasecurity/trivy/pkg/types"
	xio "github.com/aquasecurity/trivy/pkg/x/io"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

func sboms() []analysis.Analyzer {
	return []analysis.Analyzer{{Type: analysis.TypeSBOM, Version: 1, Wants: wantsSBOM, Analyze: readSBOM}}
}

// wantsSBOM leaves what Python packages bring (PEP 770) to their own analyser.
func wantsSBOM(path string, _ fs.FileInfo) bool {
	name := strings.TrimSuffix(path, ".json")
	return (strings.HasSuffix(name, ".spdx") || strings.HasSuffix(name, ".cdx")) &&
		!strings.Contains(path, ".dist-info/sboms/")
}

// readSBOM reads an SBOM that lies in the image: CycloneDX or SPDX, by itself or in an
// attestation, whose signature is not looked at.
func readSBOM(ctx context.Context, f analysis.File) (*analysis.Result, error) {
	bom, err := decodeSBOM(ctx, content(f))
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(f.Path, "opt/bitnami/") {
		placeBitnami(path.Dir(f.Path), bom.Applications)
	}
	for i := range bom.Packages {
		bom.Packages[i].FilePath = path.Join(f.Path, bom.Packages[i].FilePath)
	}
	for i := range bom.Applications {
		if bom.Applications[i].FilePath == "" {
			bom.Applications[i].FilePath = f.Path
		}
	}
	return &analysis.Result{PackageInfos: bom.Packages, Applications: bom.Applications}, nil
}

// placeBitnami says where the packages are of which Bitnami puts an SBOM into the
// directory of each component. Its paths are relative to that.
func placeBitnami(dir string, apps []ftypes.Application) {
	for i := range apps {
		if apps[i].Type == ftypes.Bitnami {
			apps[i].FilePath = dir
			continue
		}
		for j := range apps[i].Packages {
			p := &apps[i].Packages[j]
			p.FilePath = path.Join(dir, p.FilePath)
		}
	}
}

// decodeSBOM is Trivy's, with a look at the graph between its two steps.
func decodeSBOM(ctx context.Context, r xio.ReadSeekerAt) (out types.SBOM, err error) {
	defer recovered(&err)
	format, err := sbom.DetectFormat(r)
	if err != nil {
		return out, err
	}
	bom, into := document(format)
	if bom == nil {
		return out, fmt.Errorf("it has no format of an SBOM that is known (%s)", format)
	}
	if format == sbom.FormatSPDXTV {
		err = spdx.NewTVDecoder(r).Decode(into)
	} else {
		err = json.NewDecoder(r).Decode(into)
	}
	if err != nil {
		return out, err
	}
	if err := boundGraph(bom); err != nil {
		return out, err
	}
	err = sbomio.NewDecoder(bom).Decode(ctx, &out)
	return out, err
}

// document is what a format is decoded into, and the components therein; nil for a
// format that Trivy detects but does not read.
func document(format sbom.Format) (*core.BOM, any) {
	cdxBOM, spdxBOM := core.NewBOM(core.Options{GenerateBOMRef: true}), core.NewBOM(core.Options{})
	cdx, spdxDoc := &cyclonedx.BOM{BOM: cdxBOM}, &spdx.SPDX{BOM: spdxBOM}
	switch format {
	case sbom.FormatCycloneDXJSON:
		return cdxBOM, cdx
	case sbom.FormatAttestCycloneDXJSON:
		return cdxBOM, &attestation.Statement{Predicate: cdx}
	case sbom.FormatLegacyCosignAttestCycloneDXJSON:
		return cdxBOM, &attestation.Statement{Predicate: &attestation.CosignPredicate{Data: cdx}}
	case sbom.FormatSigstoreBundleCycloneDXJSON:
		return cdxBOM, &attestation.SigstoreBundle{DSSEEnvelope: attestation.Statement{Predicate: cdx}}
	case sbom.FormatSPDXJSON, sbom.FormatSPDXTV:
		return spdxBOM, spdxDoc
	case sbom.FormatAttestSPDXJSON:
		return spdxBOM, &attestation.Statement{Predicate: spdxDoc}
	case sbom.FormatSigstoreBundleSPDXJSON:
		return spdxBOM, &attestation.SigstoreBundle{DSSEEnvelope: attestation.Statement{Predicate: spdxDoc}}
	}
	return nil, nil
}
