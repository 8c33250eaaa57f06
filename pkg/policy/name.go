// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Name is an image name in its parts, written as it compares: short names of Docker
// Hub in full, the registry in lower case.
type Name struct {
	// Registry is host[:port]; Docker Hub is "docker.io".
	Registry   string
	Repository string
	Tag        string
	Digest     string
}

// The grammar is that of distribution: what it refuses ("..", trailing dots, user
// names, anything but ASCII) is no image name here, although some clients are laxer.
var (
	hostPattern       = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])$`)
	repositoryPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	digestPattern     = regexp.MustCompile(`^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)
	anyDigestPattern  = regexp.MustCompile(`^[a-z0-9]+:[0-9a-f]+$`)
	imageIDPattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

const dockerHub = "docker.io"

// ParseName reads an image name as Docker does.
func ParseName(s string) (Name, error) {
	n, err := parseName(s)
	if err == nil && n.Digest != "" && !digestPattern.MatchString(n.Digest) {
		err = errors.New("the digest is not sha256 with 64 or sha512 with 128 digits of 0-9 and a-f")
	}
	if err != nil {
		return Name{}, fmt.Errorf("%s is not an image name: %w", quote(s), err)
	}
	return n, nil
}

// parseName leaves the length of a digest open.
func parseName(s string) (Name, error) {
	var n Name
	rest, digest, pinned := strings.Cut(s, "@")
	if n.Digest = digest; pinned && !anyDigestPattern.MatchString(digest) {
		return n, errors.New("after @ follows a digest, and names hold no credentials")
	}
	rest, n.Tag = cutTag(rest)
	if n.Tag != "" && !tagPattern.MatchString(n.Tag) || strings.HasSuffix(rest, ":") {
		return n, errors.New("a tag has up to 128 letters, digits, dots, hyphens and underscores")
	}
	first, repository, slash := strings.Cut(rest, "/")
	if !slash || !strings.ContainsAny(first, ".:") && first != "localhost" {
		first, repository = dockerHub, rest
	}
	host, err := canonicalHost(first)
	if err != nil {
		return n, err
	}
	n.Registry, n.Repository = host, repository
	if n.Registry == dockerHub && !strings.Contains(repository, "/") {
		n.Repository = "library/" + repository
	}
	if imageIDPattern.MatchString(repository) {
		return n, errors.New("it is the id of an image")
	}
	if len(n.Repository) > 255 || !repositoryPattern.MatchString(n.Repository) {
		return n, errors.New("a repository has lower-case letters and digits, separated by single dots, underscores, hyphens and slashes")
	}
	return n, nil
}

// cutTag cuts a tag off. A colon at the end stays, to be refused.
func cutTag(s string) (rest, tag string) {
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') && i+1 < len(s) {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// canonicalHost writes a registry as it compares: in lower case, without the port
// that https has anyway.
func canonicalHost(s string) (string, error) {
	host, port := strings.ToLower(s), ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], host[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' || port[0] == '+' {
			return "", errors.New("the port of its registry is no port")
		}
	}
	if !hostPattern.MatchString(host) {
		return "", errors.New("its registry is no host name")
	}
	switch {
	case host == "index."+dockerHub && (port == "" || port == "443"):
		return dockerHub, nil
	case port == "", port == "443" && !isLocal(host):
		return host, nil
	default:
		return host + ":" + port, nil
	}
}

// isLocal is true for hosts that are spoken to in plain http, so that 443 is not
// their default port.
func isLocal(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasPrefix(host, "127.") || strings.HasPrefix(host, "[")
}

// String is the name in full.
func (n Name) String() string {
	s := n.Registry + "/" + n.Repository
	if n.Tag != "" {
		s += ":" + n.Tag
	}
	if n.Digest != "" {
		s += "@" + n.Digest
	}
	return s
}

// MatchReference says whether a glob matches an image name. Both may be short as
// Docker's are: "alpine" is docker.io/library/alpine. A glob without tag and digest
// matches every tag; one with a tag matches a name of that tag whatever its digest.
// What is no image name matches nothing.
func MatchReference(glob, name string) bool {
	n, err := parseName(name)
	if err != nil {
		return false
	}
	return n.matches(glob)
}

func (n Name) matches(glob string) bool {
	pattern, tag, digest := splitGlob(glob)
	switch {
	case !MatchGlob(pattern, n.Registry+"/"+n.Repository):
		return false
	case digest != "" && !MatchGlob(digest, n.Digest):
		return false
	case tag == "":
		return true
	case n.Tag == "" && n.Digest == "":
		return MatchGlob(tag, "latest")
	default:
		return MatchGlob(tag, n.Tag)
	}
}

// MatchRegistry says whether a glob of hosts matches the registry of a name.
func (n Name) MatchRegistry(glob string) bool {
	glob = strings.TrimSuffix(strings.ToLower(glob), ":443")
	return MatchGlob(strings.Replace(glob, "index."+dockerHub, dockerHub, 1), n.Registry)
}

// MatchGlob says whether a glob of the language (doublestar) matches a text. What is no
// glob matches nothing.
func MatchGlob(glob, s string) bool {
	ok, err := doublestar.Match(glob, s)
	return err == nil && ok
}

// splitGlob is the pattern of the repository in full, and those of tag and digest.
func splitGlob(glob string) (repository, tag, digest string) {
	glob, digest, _ = strings.Cut(glob, "@")
	repository, tag = cutTag(glob)
	return longGlob(strings.ToLower(repository)), tag, digest
}

// longGlob adds what Docker leaves out. A first element with a wildcard is taken for
// a registry.
func longGlob(glob string) string {
	first, rest, slash := strings.Cut(glob, "/")
	switch {
	case !slash && !strings.HasPrefix(glob, "*"):
		return dockerHub + "/library/" + glob
	case !slash:
		return glob
	case !strings.ContainsAny(first, ".:*?[{") && first != "localhost":
		return dockerHub + "/" + glob
	}
	if host, err := canonicalHost(first); err == nil {
		first = host
	}
	if first == dockerHub && !strings.Contains(rest, "/") && !strings.Contains(rest, "**") {
		rest = "library/" + rest
	}
	return first + "/" + rest
}

// referenceGlob reads a glob of image names, and refuses one that matches none: in a
// list of what is forbidden it would forbid nothing.
func (p *parser) referenceGlob(v value) (string, bool) {
	s, ok := p.glob(v)
	if !ok {
		return "", false
	}
	repository, _, digest := splitGlob(s)
	switch {
	case strings.Contains(s, "://"):
		p.fault(v, "write the name alone, such as registry.example.com/team/**", "%s is no image name", quote(s))
	case strings.Contains(digest, "/"):
		p.fault(v, "image names hold no credentials", "can match no image name: it has a slash after @")
	case strings.HasSuffix(s, ":"), strings.HasSuffix(s, "/"), strings.HasPrefix(s, "/"), strings.ContainsAny(s, " "):
		p.fault(v, "", "%s can match no image name", quote(s))
	case !strings.Contains(repository, "/") && repository != "**":
		p.fault(v, didYouMean(strings.TrimSuffix("**/"+strings.TrimLeft(s, "*/"), "/")), "%s can match no image name: a name holds at least one slash when it is written in full", quote(s))
	default:
		return s, true
	}
	return "", false
}

// registryGlob reads a glob of registries.
func (p *parser) registryGlob(v value) (string, bool) {
	s, ok := p.glob(v)
	if ok && strings.ContainsAny(s, "/@ ") {
		p.fault(v, "write host or host:port, such as registry.example.com", "%s is no registry", quote(s))
		return "", false
	}
	return s, ok
}
