// SPDX-License-Identifier: Apache-2.0

// Package evidence is the vocabulary of ocigate: everything that can be known
// about an image before anybody decides about it. It is policy-neutral, plain
// data, and uses the standard library only. Its JSON form is what
// `--output json` publishes under "evidence".
//
// Nothing here holds a secret's value: what is kept of a secret is its
// rule and its place.
package evidence

import "time"

// Evidence is everything known about one subject.
type Evidence struct {
	Subject Subject    `json:"subject"`
	Image   ImageFacts `json:"image"`
	// Layers are in the order of the image, base first.
	Layers   []LayerFacts `json:"layers"`
	Packages []Package    `json:"packages"`
	// Findings are sorted by kind, severity (most severe first), id, package, path.
	Findings []Finding     `json:"findings"`
	Coverage Coverage      `json:"coverage"`
	Database DatabaseState `json:"database"`
	// Files are the files of interest, sorted by path: see File.
	Files []File `json:"files"`
	// Waste is what layers carry that no container sees; nil where not every layer was read.
	Waste *Waste `json:"waste,omitempty"`
	// Base is what is known of the base image; nil where nothing names one.
	Base *Base `json:"base,omitempty"`
	// Signatures are those of the image; nil where no rule asks for them.
	Signatures *Signatures `json:"signatures,omitempty"`
	// Dockerfile is the build file that the caller gave; nil for none.
	Dockerfile *Dockerfile `json:"dockerfile,omitempty"`
	// Baseline is the image to compare with; nil for none.
	Baseline *Baseline `json:"baseline,omitempty"`
	// Feeds are the states of the feeds that findings were annotated from.
	Feeds Feeds `json:"feeds"`
	// Custom are the results of the policy's Rego rules, by rule id in order.
	Custom []CustomResult `json:"custom,omitempty"`
	// Problems are the reasons why something could not be examined. Each makes an
	// `error` outcome, so an Evidence with problems never leads to a pass.
	Problems []Problem `json:"problems"`
}

// Area says what a Problem concerns. It selects the outcome that it turns into an error.
type Area string

// The areas.
const (
	// AreaImage: the image could not be resolved, pulled, opened or understood.
	AreaImage Area = "image"
	// AreaPlatform: a platform that was required is missing or could not be chosen.
	AreaPlatform Area = "platform"
	// AreaIntegrity: bytes do not match their digest, diff ID or size.
	AreaIntegrity Area = "integrity"
	// AreaLimit: a limit on size, count, nesting or time was reached.
	AreaLimit Area = "limit"
	// AreaOS: the operating system is unknown, unsupported or without advisories.
	AreaOS Area = "os"
	// AreaPackages: a package database is missing, empty, deleted or unreadable, or no package was found.
	AreaPackages Area = "packages"
	// AreaFile: one file could not be analysed. Path and Analyzer are set.
	AreaFile Area = "file"
	// AreaDatabase: the vulnerability database is missing, unreadable or of the wrong schema.
	AreaDatabase Area = "database"
	// AreaFeed: a feed is missing, unreadable or too old for a rule that needs it.
	AreaFeed Area = "feed"
	// AreaScan: the scan as a whole failed.
	AreaScan Area = "scan"
)

// Problem is one reason why something could not be examined.
type Problem struct {
	Area Area `json:"area"`
	// What names the blob, file, database or repository concerned.
	What string `json:"what,omitempty"`
	// Analyzer is set for AreaFile and for package databases.
	Analyzer string `json:"analyzer,omitempty"`
	Message  string `json:"message"`
	// Hint says what to do next. Empty where nobody knows.
	Hint string `json:"hint,omitempty"`
}

// ImageFacts is what the image configuration and a few of the image's files say.
type ImageFacts struct {
	Created *time.Time `json:"created,omitempty"`
	User    User       `json:"user"`
	// Config is the rest of the image configuration; nil where it is not known.
	Config *Config `json:"config,omitempty"`
}

// User is the user that a container of this image runs as, resolved as the
// runtime would resolve it.
type User struct {
	// Configured is the USER of the image configuration: "", "app", "1000:1000", …
	Configured string `json:"configured"`
	// UID and GID are what Configured resolves to; nil where it does not resolve.
	UID *int64 `json:"uid,omitempty"`
	GID *int64 `json:"gid,omitempty"`
	// Reason explains how the ids were found or why they were not.
	Reason string `json:"reason,omitempty"`
}

// Verification says how far the bytes of a layer were checked.
type Verification string

// The verifications of a layer.
const (
	// LayerVerified: every byte matched digest and diff ID. Local bytes are hashed in
	// every run; of a registry's blob, which is named by its digest, an earlier
	// verified pass on this machine is enough.
	LayerVerified Verification = "verified"
	// LayerOnDaemonsWord: the daemon said that the image has this layer, and the
	// cache knows its content from an earlier verified pass.
	LayerOnDaemonsWord Verification = "on the daemon's word"
	// LayerNotVerified: the layer was not read to its end.
	LayerNotVerified Verification = "not verified"
)

// LayerFacts describes one layer of the image.
type LayerFacts struct {
	// Digest is that of the stored (compressed) blob; empty where the source stores none.
	Digest string `json:"digest,omitempty"`
	DiffID string `json:"diffID"`
	// MediaType as the manifest gives it.
	MediaType string `json:"mediaType,omitempty"`
	// CompressedSize and Size are in bytes; 0 where unknown.
	CompressedSize int64 `json:"compressedSize,omitempty"`
	Size           int64 `json:"size,omitempty"`
	Files          int   `json:"files,omitempty"`
	// CreatedBy is the instruction that made the layer, from the history, with
	// secrets masked; empty where the history does not say.
	CreatedBy    string       `json:"createdBy,omitempty"`
	Verification Verification `json:"verification"`
}

// Coverage lists what was examined and what was not.
type Coverage struct {
	OS OSFacts `json:"os"`
	// Packages counts the packages found by type ("apk", "npm", …).
	Packages map[string]int `json:"packages"`
	// NotMatched are ecosystems whose packages are listed but for which no
	// advisories exist, so that they were not examined. Sorted.
	NotMatched []string `json:"notMatched,omitempty"`
	// Unreadable are language files that an analyser could not read. Each is also a
	// Problem unless the policy accepts it.
	Unreadable []Unreadable `json:"unreadable,omitempty"`
	// Files and Bytes count the regular files seen and their uncompressed size.
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// SecretScan says whether files were searched for secrets; BaseLayers is the
	// number of layers left out because they belong to a base image by Trivy's rule.
	SecretScan bool `json:"secretScan"`
	BaseLayers int  `json:"secretScanBaseLayers,omitempty"`
}

// OSFacts is the distribution that was found.
type OSFacts struct {
	// Family is Trivy's name of the distribution ("alpine"); empty if there is none.
	Family  string `json:"family,omitempty"`
	Release string `json:"release,omitempty"`
	// EndOfLife is true where the distribution no longer maintains the release.
	EndOfLife bool `json:"endOfLife,omitempty"`
	// EndOfLifeDate is the first moment at which it no longer does; nil where that is not
	// known. EndOfLifeSource says who says so: "trivy", or the feed's file.
	EndOfLifeDate   *time.Time `json:"endOfLifeDate,omitempty"`
	EndOfLifeSource string     `json:"endOfLifeSource,omitempty"`
	// Maintained is true where the source knows the release and no end of it.
	Maintained bool `json:"maintained,omitempty"`
}

// Unreadable is a language file that could not be analysed.
type Unreadable struct {
	Path     string `json:"path"`
	Analyzer string `json:"analyzer"`
	Error    string `json:"error"`
	// LayerDiffID is the layer that holds the file.
	LayerDiffID string `json:"layerDiffID,omitempty"`
}

// DatabaseState is the vulnerability database that findings were matched with.
type DatabaseState struct {
	// Digest is the sha256 of the database file: two runs with the same digest saw
	// the same advisories.
	Digest     string     `json:"digest,omitempty"`
	Schema     int        `json:"schema,omitempty"`
	UpdatedAt  *time.Time `json:"updatedAt,omitempty"`
	NextUpdate *time.Time `json:"nextUpdate,omitempty"`
	// Origin is the repository it was fetched from, or "directory" for --db-dir.
	Origin string `json:"origin,omitempty"`
	// Java is the state of the database that names jar files; nil where no jar was seen.
	Java *DatabaseState `json:"java,omitempty"`
}
