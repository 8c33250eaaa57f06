// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/samber/lo"

	"github.com/aquasecurity/trivy-db/pkg/db"
	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/clock"
	detector "github.com/aquasecurity/trivy/pkg/detector/ospkg"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/applier"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/result"
	"github.com/aquasecurity/trivy/pkg/scan/langpkg"
	"github.com/aquasecurity/trivy/pkg/scan/local"
	"github.com/aquasecurity/trivy/pkg/scan/ospkg"
	scanutils "github.com/aquasecurity/trivy/pkg/scan/utils"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vulnerability"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Matched is what matching an inventory with the database found.
type Matched struct {
	Packages []evidence.Package
	Findings []evidence.Finding
	Coverage evidence.Coverage
	Problems []evidence.Problem
}

// Detect matches the packages of inv with the open vulnerability database.
// platforms are the names of the database's advisory buckets, and at is the
// effective time, by which end-of-life dates are judged. inv must not be used again.
func (s *Scanner) Detect(ctx context.Context, inv *Inventory, platforms []string, at time.Time) (m *Matched, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("match vulnerabilities: panic: %v", p)
		}
	}()
	ctx = clock.With(ctx, at)
	layers := &memoryApplier{inv: inv}
	osScan := &osScanner{Scanner: ospkg.NewScanner()}
	service := local.NewService(layers, osScan, langpkg.NewScanner(), vulnerability.NewClient(db.Config{}))
	resp, err := service.Scan(ctx, inv.name, "", nil, types.ScanOptions{
		PkgTypes:         types.PkgTypes,
		PkgRelationships: ftypes.Relationships,
		// SBOM makes the service list packages.
		Scanners:            types.Scanners{types.VulnerabilityScanner, types.SecretScanner, types.SBOMScanner},
		VulnSeveritySources: []dbtypes.SourceID{"auto"},
	})
	if err != nil {
		return nil, fmt.Errorf("match vulnerabilities: %w", err)
	}
	all := []dbtypes.Severity{dbtypes.SeverityUnknown, dbtypes.SeverityLow, dbtypes.SeverityMedium, dbtypes.SeverityHigh, dbtypes.SeverityCritical}
	m = &Matched{Coverage: evidence.Coverage{Packages: map[string]int{}, SecretScan: true, BaseLayers: inv.baseLayers, Unreadable: inv.Unreadable}}
	for i := range resp.Results {
		// FilterResult also removes duplicates and sorts; no waiver of Trivy's applies.
		if err := result.FilterResult(ctx, &resp.Results[i], result.IgnoreConfig{}, result.FilterOptions{Severities: all}); err != nil {
			return nil, fmt.Errorf("sort findings: %w", err)
		}
		m.add(resp.Results[i], inv)
	}
	for _, r := range inv.records {
		m.Coverage.Files += r.Facts.Files
		m.Coverage.Bytes += r.Blob.Size
	}
	slices.SortStableFunc(m.Packages, func(a, b evidence.Package) int {
		return cmp.Or(cmp.Compare(b.Class, a.Class), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Version, b.Version), cmp.Compare(a.Path, b.Path))
	})
	evidence.SortFindings(m.Findings)
	c := coverage{inv: inv, facts: mergeFacts(inv.records), detail: layers.detail, os: resp.OS, osErr: osScan.err, platforms: platforms, m: m}
	c.check()
	if m.Coverage.OS.Family != "" {
		endOfLife(ctx, resp.OS, at, &m.Coverage.OS)
	}
	return m, nil
}

// memoryApplier gives the layers to Trivy's service without a cache in between.
type memoryApplier struct {
	inv    *Inventory
	detail ftypes.ArtifactDetail
}

func (a *memoryApplier) ApplyLayers(context.Context, string, []string) (ftypes.ArtifactDetail, error) {
	blobs := make([]ftypes.BlobInfo, len(a.inv.records))
	var layers ftypes.Layers
	for i, r := range a.inv.records {
		blobs[i] = r.Blob
		if l := r.Blob.Layer(); !lo.IsEmpty(l) {
			layers = append(layers, l)
		}
	}
	d := applier.ApplyLayers(blobs)
	d.ImageConfig.Secret = a.inv.config
	d.Layers = layers
	a.detail = d
	switch {
	case !d.OS.Detected():
		return d, analyzer.ErrUnknownOS
	case d.Packages == nil:
		return d, analyzer.ErrNoPkgsDetected
	}
	return d, nil
}

// osScanner keeps the error that Trivy's service drops: an operating system
// without a detector is reported as having no vulnerabilities.
type osScanner struct {
	ospkg.Scanner
	err error
}

func (o *osScanner) Scan(ctx context.Context, t types.ScanTarget, opts types.ScanOptions) (types.Result, bool, error) {
	r, eosl, err := o.Scanner.Scan(ctx, t, opts)
	if errors.Is(err, detector.ErrUnsupportedOS) {
		o.err = err
	}
	return r, eosl, err
}

func (m *Matched) add(r types.Result, inv *Inventory) {
	class := evidence.ClassLanguage
	if r.Class == types.ClassOSPkg {
		class = evidence.ClassOS
	}
	for _, p := range r.Packages {
		m.Coverage.Packages[string(r.Type)]++
		m.Packages = append(m.Packages, toPackage(p, class, r))
	}
	for _, v := range r.Vulnerabilities {
		m.Findings = append(m.Findings, toVulnerability(v, class, r))
	}
	for _, s := range r.Secrets {
		path := r.Target
		if inv.config != nil && path == inv.name {
			path = ConfigPath
		}
		m.Findings = append(m.Findings, toSecret(s, path))
	}
}

// ConfigPath is the location of secrets in the image configuration.
const ConfigPath = "image config"

func toLayer(l ftypes.Layer) evidence.Layer {
	return evidence.Layer{Digest: l.Digest, DiffID: l.DiffID}
}

// location is where a language package was found: its own file, or the lock file or
// binary that lists it.
func location(class evidence.Class, file, target string) string {
	if file != "" || class == evidence.ClassOS {
		return file
	}
	return target
}

func toPackage(p ftypes.Package, class evidence.Class, r types.Result) evidence.Package {
	out := evidence.Package{Name: p.Name, Version: p.Version, Type: string(r.Type), Class: class,
		Path: location(class, p.FilePath, r.Target), SourceName: p.SrcName, Licenses: p.Licenses, Layer: toLayer(p.Layer)}
	if class == evidence.ClassOS {
		out.Version = scanutils.FormatVersion(p)
	}
	if p.Identifier.PURL != nil {
		out.PURL = p.Identifier.PURL.String()
	}
	return out
}

func toVulnerability(v types.DetectedVulnerability, class evidence.Class, r types.Result) evidence.Finding {
	//lint:ignore SA1019 Trivy's FillInfo chose it by SeveritySource, as its CLI shows it
	sev, err := evidence.ParseSeverity(v.Severity)
	if err != nil {
		sev = evidence.SeverityUnknown // a severity that nobody knows is unknown
	}
	f := evidence.Finding{
		Kind: evidence.KindVulnerability, ID: v.VulnerabilityID, Severity: sev, SeveritySource: string(v.SeveritySource),
		Title: v.Title, Description: v.Description, URL: v.PrimaryURL,
		Package: &evidence.Package{Name: v.PkgName, Version: v.InstalledVersion, Type: string(r.Type), Class: class,
			Path: location(class, v.PkgPath, r.Target), Layer: toLayer(v.Layer)},
		FixedVersion: v.FixedVersion, Status: v.Status.String(), Published: utc(v.PublishedDate), Modified: utc(v.LastModifiedDate),
		CVSS: score(v.CVSS), Aliases: v.VendorIDs, Layer: toLayer(v.Layer),
	}
	if v.PkgIdentifier.PURL != nil {
		f.Package.PURL = v.PkgIdentifier.PURL.String()
	}
	if v.DataSource != nil {
		f.DataSource = string(v.DataSource.ID)
	}
	return f
}

func utc(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

// score is the highest base score of the newest widely used version of CVSS that any source gives.
func score(all dbtypes.VendorCVSS) float64 {
	var v2, v3, v4 float64
	for _, c := range all {
		v2, v3, v4 = max(v2, c.V2Score), max(v3, c.V3Score), max(v4, c.V40Score)
	}
	return cmp.Or(v3, v4, v2)
}

func toSecret(s types.DetectedSecret, path string) evidence.Finding {
	sev, err := evidence.ParseSeverity(s.Severity)
	if err != nil {
		sev = evidence.SeverityUnknown
	}
	return evidence.Finding{Kind: evidence.KindSecret, ID: s.RuleID, Severity: sev, Title: s.Title, Category: string(s.Category),
		Path: path, StartLine: s.StartLine, EndLine: s.EndLine, Layer: toLayer(s.Layer)}
}
