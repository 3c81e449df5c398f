/**
 * What scanners ask every host for: files that should never be served, and the pages of software that is often
 * attacked. Nobody asks an API for them by mistake. None of it matters where the contract has such a route.
 */

/** Files and folders whose name begins with a dot, anywhere in a path. */
const HIDDEN = [
  "env",
  "git",
  "gitignore",
  "gitlab-ci",
  "svn",
  "hg",
  "bzr",
  "aws",
  "ssh",
  "docker",
  "dockerenv",
  "kube",
  "config",
  "npmrc",
  "netrc",
  "htaccess",
  "htpasswd",
  "ds_store",
  "vscode",
  "idea",
  "bash_history",
  "bashrc",
  "profile",
];

/** First segments. */
const ROOTS = [
  "wp-admin",
  "wp-content",
  "wp-includes",
  "wp-login",
  "wp-json",
  "wordpress",
  "xmlrpc",
  "phpmyadmin",
  "pma",
  "phpinfo",
  "adminer",
  "cgi-bin",
  "vendor/phpunit",
  "actuator",
  "jolokia",
  "jmx-console",
  "server-status",
  "server-info",
  "_ignition",
  "_profiler",
  "telescope",
  "solr",
  "druid",
  "geoserver",
  "boaform",
  "goform",
  "hnap1",
  "owa",
  "dana-na",
  "web-inf",
  "meta-inf",
  "manager/html",
];

/** What a segment ends with. */
const EXTENSIONS = [
  "php\\d?",
  "phtml",
  "phar",
  "aspx?",
  "ashx",
  "asmx",
  "jspx?",
  "cgi",
  "cfm",
  "sql",
  "bak",
  "swp",
  "old",
  "env",
  "ini",
  "exe",
  "dll",
];

const END = "(?:[/;]|$)";

/** The beginning of such a path; dots stand in none of them. */
const SCANNER_ROOT = `/+(?:${ROOTS.join("|")})${END}`;

// Every alternative begins with a character that no repetition in front of it takes, so that no input makes it slow.
const SCANNER_PATH = new RegExp(
  `^${SCANNER_ROOT}|/\\.(?:${HIDDEN.join("|")})(?:[./;_~-]|$)|\\.(?:${EXTENSIONS.join("|")})~?${END}`,
  "i",
);

/** @param path decoded */
export const isScannerPath = (path: string): boolean => SCANNER_PATH.test(path);
