-- 1.1.0 gives scalar8 up. A type and its input function need each other, hence CASCADE.
DROP TYPE scalar8 CASCADE;
DROP FUNCTION _vchord_typmod_in_65535(cstring[]);
DROP FUNCTION _vchord_typmod_out(integer);
