// Imports everything and does nothing: the test sees whether that is silent and ends by itself.
import "@modrack/sdk";
import "@modrack/sdk/testing";
