// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/clock"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	scanutils "github.com/aquasecurity/trivy/pkg/scan/utils"
	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/scan/apply"
	"github.com/ocigate/ocigate/pkg/scan/match"
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
	detail := inv.detail()
	found, err := match.Run(ctx, inv.name, &detail)
	if err != nil {
		return nil, fmt.Errorf("match vulnerabilities: %w", err)
	}
	m = &Matched{Coverage: evidence.Coverage{Packages: map[string]int{}, SecretScan: inv.secretScan, BaseLayers: inv.baseLayers, Unreadable: inv.Unreadable}}
	for _, r := range found.Results {
		m.add(r, inv)
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
	c := coverage{inv: inv, facts: mergeFacts(inv.records), detail: detail, os: found.OS, unsupported: found.Unsupported, platforms: platforms, m: m}
	c.check()
	if m.Coverage.OS.Family != "" {
		endOfLife(ctx, found.OS, at, &m.Coverage.OS)
	}
	return m, nil
}

// detail is what the image holds when its layers are on top of each other, and the
// secrets of its configuration.
func (inv *Inventory) detail() ftypes.ArtifactDetail {
	blobs := make([]ftypes.BlobInfo, len(inv.records))
	for i, r := range inv.records {
		blobs[i] = r.Blob
	}
	d := apply.Layers(blobs)
	if inv.config != nil {
		d.Secrets = append(d.Secrets, ftypes.Secret{FilePath: inv.name, Findings: inv.config.Findings})
	}
	return d
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
